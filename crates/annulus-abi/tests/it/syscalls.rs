//! The three system calls reach the kernel and bring its answers back.
//!
//! Where io_uring is forbidden or not built, a test says so on standard error and ends.

use std::ptr;

use annulus_abi::{
    EnterFlags, Errno, Features, Opcode, Params, Probe, RegisterOp, SetupFlags, enter, register,
    setup,
};

use crate::compare::say;

/// A ring's descriptor, closed when dropped.
struct Ring(i32);

impl Ring {
    /// Makes a ring, or says why this machine makes none.
    fn new(entries: u32, params: &mut Params) -> Option<Self> {
        // SAFETY: none of the tests sets NO_MMAP, so there are no addresses in `params`.
        match unsafe { setup(entries, params) } {
            Ok(fd) => Some(Self(fd)),
            Err(errno @ Errno(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::ENOMEM)) => {
                say(&format!("skipped, io_uring_setup(2) is refused: {errno}"));
                None
            }
            Err(errno) => panic!("setup failed otherwise: {errno}"),
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this ring's own and is not used after.
        unsafe { libc::close(self.0) };
    }
}

fn refused(errno: Errno) -> bool {
    let refused = [libc::EPERM, libc::EACCES, libc::ENOSYS].contains(&errno.0);
    if refused {
        say(&format!("skipped, io_uring is refused: {errno}"));
    }
    refused
}

#[test]
fn setup_with_no_entries_is_invalid() {
    let mut params = Params::default();
    // SAFETY: without NO_MMAP there are no addresses in `params`.
    let errno = unsafe { setup(0, &mut params) }.expect_err("a ring has at least one entry");
    assert!(errno == Errno(libc::EINVAL) || refused(errno), "{errno:?}");
}

#[test]
fn setup_with_an_unknown_flag_is_invalid() {
    let mut params = Params { flags: SetupFlags(1 << 31), ..Params::default() };
    // SAFETY: without NO_MMAP there are no addresses in `params`.
    let errno = unsafe { setup(1, &mut params) }.expect_err("no kernel has this flag");
    assert!(errno == Errno(libc::EINVAL) || refused(errno), "{errno:?}");
}

#[test]
fn enter_on_no_descriptor_is_a_bad_descriptor() {
    // SAFETY: there is no ring, so there are no entries, and no argument.
    let result = unsafe { enter(u32::MAX, 0, 0, EnterFlags::EMPTY, (ptr::null(), 0)) };
    let errno = result.expect_err("-1 is no descriptor");
    assert!(errno == Errno(libc::EBADF) || refused(errno), "{errno:?}");
}

#[test]
fn register_on_no_descriptor_is_a_bad_descriptor() {
    // SAFETY: ENABLE_RINGS takes no argument.
    let result = unsafe { register(u32::MAX, RegisterOp::ENABLE_RINGS.0, ptr::null_mut(), 0) };
    let errno = result.expect_err("-1 is no descriptor");
    let known = [libc::EBADF, libc::EINVAL].contains(&errno.0);
    assert!(known || refused(errno), "{errno:?}");
}

#[test]
fn setup_fills_in_sizes_features_and_offsets() {
    let mut params = Params { flags: SetupFlags::CQSIZE, cq_entries: 20, ..Params::default() };
    let Some(ring) = Ring::new(5, &mut params) else {
        return;
    };
    assert!(ring.0 >= 0);
    assert_eq!((params.sq_entries, params.cq_entries), (8, 32));
    assert!(params.features.contains(Features::NODROP), "{:?}", params.features);
    assert_ne!(params.sq_off.tail, params.sq_off.head);
    assert_ne!(params.cq_off.cqes, 0);
    assert_eq!(params.resv, [0; 3]);
    assert_eq!(params.flags, SetupFlags::CQSIZE);
}

#[test]
fn a_probe_knows_the_first_opcode_and_not_the_last_number() {
    let mut params = Params::default();
    let Some(ring) = Ring::new(1, &mut params) else {
        return;
    };
    let mut probe = Probe::default();
    let arg: *mut Probe = &mut probe;
    // SAFETY: `arg` is a zeroed probe with room for 256 operations.
    let result = unsafe { register(ring.0 as u32, RegisterOp::PROBE.0, arg.cast(), 256) };
    match result {
        Ok(_) => {
            assert!(probe.supports(Opcode::NOP));
            assert!(!probe.supports(Opcode(255)));
            assert_eq!(probe.ops_len, probe.last_op.0 + 1);
        }
        Err(errno) => assert!(refused(errno), "{errno:?}"),
    }
}

#[test]
fn entering_with_nothing_to_do_does_nothing() {
    let mut params = Params::default();
    let Some(ring) = Ring::new(1, &mut params) else {
        return;
    };
    // SAFETY: nothing was published, and there is no argument.
    match unsafe { enter(ring.0 as u32, 0, 0, EnterFlags::GETEVENTS, (ptr::null(), 0)) } {
        Ok(consumed) => assert_eq!(consumed, 0),
        Err(errno) => assert!(refused(errno), "{errno:?}"),
    }
}
