//! Credentials that submissions borrow. Mirrors personality of liburing.

use std::{ffi::CString, os::unix::fs::PermissionsExt, thread};

use annulus_ring::{
    Op as _, Personality, Ring,
    abi::{Errno, Sqe},
    op::{Close, Nop, Openat, Place},
};

use super::errno;
use crate::{
    ops::{decode, ring, run},
    support::{complete, skip},
};

/// Somebody without privileges.
const NOBODY: u32 = 65534;

/// Opens `path` with these credentials, or the thread's own, and closes it again.
fn open(ring: &mut Ring, path: &CString, who: Option<Personality>) -> Result<(), Errno> {
    let place = Place::Fd;
    let open = Openat { dir: libc::AT_FDCWD, path: path.as_ptr(), flags: 0, mode: 0, place };
    let mut sqe = Sqe::default();
    open.encode(&mut sqe);
    if let Some(who) = who {
        who.lend_to(&mut sqe);
    }
    let fd = decode::<Openat>(&complete(ring, &sqe))?;
    run(ring, &Close { fd })
}

/// Becomes nobody towards files, on this thread alone.
fn become_nobody() {
    // SAFETY: no pointers. The call of the kernel is for the thread, that of libc for all.
    unsafe { libc::syscall(libc::SYS_setfsuid, NOBODY) };
    // SAFETY: as above; it answers what is now.
    let now = unsafe { libc::syscall(libc::SYS_setfsuid, u32::MAX) };
    assert_eq!(now, i64::from(NOBODY));
}

/// A file that only its owner may read, and its name.
fn private() -> (tempfile::TempDir, CString) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let name = directory.path().join("private");
    std::fs::write(&name, b"mine").unwrap();
    std::fs::set_permissions(&name, PermissionsExt::from_mode(0o600)).unwrap();
    (directory, CString::new(name.to_str().unwrap()).unwrap())
}

/// Whether this process is privileged; said aloud if not.
fn privileged() -> bool {
    // SAFETY: no pointers.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        skip("only root can become somebody else");
    }
    root
}

// IORING_FEAT_CUR_PERSONALITY: without lent ones it has those of its submitter, and not of the
// ring.
#[test]
fn a_request_with_lent_credentials_may_what_its_submitter_may_not() {
    if !privileged() {
        return;
    }
    let (_directory, path) = private();
    thread::spawn(move || {
        let mut ring = ring();
        let root = ring.register_personality().unwrap();
        become_nobody();
        assert_eq!(open(&mut ring, &path, None), Err(Errno(libc::EACCES)));
        assert_eq!(open(&mut ring, &path, Some(root)), Ok(()));
        assert_eq!(open(&mut ring, &path, None), Err(Errno(libc::EACCES)), "lent for one request");
    })
    .join()
    .unwrap();
}

#[test]
fn credentials_are_those_of_the_moment_when_they_were_registered() {
    if !privileged() {
        return;
    }
    let (_directory, path) = private();
    thread::spawn(move || {
        let mut ring = ring();
        let root = ring.register_personality().unwrap();
        become_nobody();
        let nobody = ring.register_personality().unwrap();
        assert_ne!(root, nobody);
        assert_eq!(open(&mut ring, &path, Some(nobody)), Err(Errno(libc::EACCES)));
        assert_eq!(open(&mut ring, &path, Some(root)), Ok(()));
    })
    .join()
    .unwrap();
}

/// Completes a NOP with these credentials.
fn nop_as(ring: &mut Ring, who: Personality) -> Result<(), Errno> {
    let mut sqe = Sqe::default();
    Nop.encode(&mut sqe);
    who.lend_to(&mut sqe);
    decode::<Nop>(&complete(ring, &sqe))
}

#[test]
fn credentials_that_were_let_go_cannot_be_lent() {
    let mut ring = ring();
    let me = ring.register_personality().unwrap();
    assert_eq!(nop_as(&mut ring, me), Ok(()));
    ring.unregister_personality(me).unwrap();
    assert_eq!(nop_as(&mut ring, me), Err(Errno(libc::EINVAL)));
    assert_eq!(errno(ring.unregister_personality(me)), libc::EINVAL);
}

#[test]
fn credentials_of_another_ring_mean_nothing_here() {
    let (mut mine, mut other) = (ring(), ring());
    let me = mine.register_personality().unwrap();
    assert_eq!(nop_as(&mut other, me), Err(Errno(libc::EINVAL)));
    assert_eq!(errno(other.unregister_personality(me)), libc::EINVAL);
    assert_eq!(nop_as(&mut mine, me), Ok(()));
}
