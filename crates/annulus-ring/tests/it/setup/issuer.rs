//! Who may use a ring, and what happens to a ring whose descriptor was taken away. Mirrors
//! single-issuer and defer-taskrun of liburing.

use std::{io, os::fd::AsRawFd, thread};

use annulus_ring::{
    Mask, Ring, RingError,
    abi::{self, EnterFlags, Errno, RegisterOp, SetupFlags},
};

use super::{nop, small, works};

/// A ring that is entered through its descriptor.
fn by_descriptor() -> Ring {
    small().mask(Mask::none().registered_ring()).build().unwrap()
}

/// Enters a ring from another thread, with nothing to submit.
fn enter_elsewhere(ring: &Ring) -> Result<u32, Errno> {
    let fd = ring.fd() as u32;
    // SAFETY: nothing is submitted, and there is no argument.
    let call =
        move || unsafe { abi::enter(fd, 0, 0, EnterFlags::GETEVENTS, (core::ptr::null(), 0)) };
    thread::spawn(call).join().unwrap()
}

/// A registration without an argument, from another thread.
fn register_elsewhere(ring: &Ring, op: RegisterOp) -> Result<u32, Errno> {
    let fd = ring.fd() as u32;
    // SAFETY: these operations take no argument.
    let call = move || unsafe { abi::register(fd, op.0, core::ptr::null_mut(), 0) };
    thread::spawn(call).join().unwrap()
}

/// Puts another file at the ring's descriptor; the ring itself is closed by that.
fn replace(ring: &Ring, path: &core::ffi::CStr, flags: i32) {
    // SAFETY: the path is a C string.
    let other = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    assert!(other >= 0);
    // SAFETY: both are open descriptors of this test, and no memory is involved.
    assert_eq!(unsafe { libc::dup3(other, ring.fd(), libc::O_CLOEXEC) }, ring.fd());
    // SAFETY: this test opened it.
    unsafe { libc::close(other) };
}

fn words(errno: Errno) -> String {
    io::Error::from(RingError(errno)).to_string()
}

#[test]
fn another_thread_that_enters_a_ring_of_a_single_issuer_is_told_so() {
    let mut ring = small().build().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::SINGLE_ISSUER));
    let refused = enter_elsewhere(&ring).unwrap_err();
    assert_eq!(refused, Errno(libc::EEXIST));
    let text = words(refused);
    assert!(text.contains("another thread") && text.contains("single_issuer(false)"), "{text}");
    works(&mut ring);
}

#[test]
fn another_thread_that_registers_with_a_ring_of_a_single_issuer_is_told_so() {
    let mut ring = small().build().unwrap();
    let refused = register_elsewhere(&ring, RegisterOp::PERSONALITY);
    assert_eq!(refused, Err(Errno(libc::EEXIST)));
    works(&mut ring);
}

#[test]
fn without_a_single_issuer_other_threads_may_enter_and_register() {
    let mut ring = small().single_issuer(false).build().unwrap();
    let setup = ring.capabilities().setup();
    assert!(!setup.intersects(SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN));
    assert_eq!(enter_elsewhere(&ring), Ok(0));
    assert!(register_elsewhere(&ring, RegisterOp::PERSONALITY).is_ok());
    works(&mut ring);
}

#[test]
fn who_enables_a_ring_is_its_single_issuer() {
    let mut ring = by_descriptor_disabled();
    assert_eq!(register_elsewhere(&ring, RegisterOp::ENABLE_RINGS), Ok(0));
    nop(&mut ring, 1).unwrap();
    assert_eq!(ring.submit(), Err(Errno(libc::EEXIST)));
    assert_eq!(ring.sq_pending(), 1);
}

fn by_descriptor_disabled() -> Ring {
    small().disabled(true).mask(Mask::none().registered_ring()).build().unwrap()
}

#[test]
fn a_disabled_ring_says_what_to_call() {
    let mut ring = by_descriptor_disabled();
    nop(&mut ring, 1).unwrap();
    let refused = ring.submit().unwrap_err();
    assert_eq!(refused, Errno(libc::EBADFD));
    assert!(words(refused).contains("call enable"), "{}", words(refused));
}

#[test]
fn a_ring_cannot_be_enabled_twice_behind_its_back() {
    let ring = small().single_issuer(false).build().unwrap();
    let again = register_elsewhere(&ring, RegisterOp::ENABLE_RINGS);
    assert_eq!(again, Err(Errno(libc::EBADFD)));
}

#[test]
fn a_ring_whose_descriptor_is_closed_says_so_and_keeps_its_entries() {
    let mut ring = by_descriptor();
    nop(&mut ring, 1).unwrap();
    // A descriptor that only names a path counts as closed, and keeps its number from other tests.
    replace(&ring, c"/", libc::O_PATH);
    let refused = ring.submit().unwrap_err();
    assert_eq!(refused, Errno(libc::EBADF));
    assert!(words(refused).contains("closed"), "{}", words(refused));
    assert_eq!((ring.sq_pending(), ring.cq_ready()), (1, 0));
    assert_eq!(ring.register_files_sparse(1), Err(Errno(libc::EBADF)));
}

#[test]
fn a_ring_whose_descriptor_belongs_to_another_file_says_so() {
    let mut ring = by_descriptor();
    nop(&mut ring, 1).unwrap();
    replace(&ring, c"/dev/null", libc::O_RDONLY);
    let refused = ring.submit().unwrap_err();
    assert_eq!(refused, Errno(libc::EOPNOTSUPP));
    assert!(words(refused).contains("no longer that of a ring"), "{}", words(refused));
    assert_eq!(ring.register_files_sparse(1), Err(Errno(libc::EOPNOTSUPP)));
}

#[test]
fn a_registered_ring_does_not_mind_what_happens_to_its_descriptor() {
    let mut ring = small().build().unwrap();
    assert!(ring.capabilities().registered_ring());
    replace(&ring, c"/dev/null", libc::O_RDONLY);
    works(&mut ring);
    ring.register_files_sparse(1).unwrap();
}

#[test]
fn a_descriptor_that_is_no_ring_is_told_apart_from_one_that_is_closed() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let enter = |fd| {
        // SAFETY: nothing is submitted, and there is no argument.
        unsafe { abi::enter(fd, 0, 0, EnterFlags::EMPTY, (core::ptr::null(), 0)) }
    };
    assert_eq!(enter(file.as_raw_fd() as u32), Err(Errno(libc::EOPNOTSUPP)));
    assert_eq!(enter(i32::MAX as u32), Err(Errno(libc::EBADF)));
}
