//! An eventfd that tells of completions. Mirrors eventfd, eventfd-disable and eventfd-ring of
//! liburing.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use annulus_ring::{
    Ring, TaskWork,
    abi::{Errno, SqeFlags},
    op::Nop,
};

use crate::{
    ops::{next, pipe, push, run},
    support::read,
};

/// A ring that completes by itself, and an eventfd that does not block.
fn watched() -> (Ring, File) {
    let ring = Ring::builder().entries(8).task_work(TaskWork::Interrupt).build().unwrap();
    // SAFETY: no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    assert!(fd >= 0);
    // SAFETY: the call just made it.
    (ring, File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// How often it was signalled since it was asked last.
fn signals(mut eventfd: &File) -> u64 {
    let mut count = [0; 8];
    match eventfd.read(&mut count) {
        Ok(8) => u64::from_ne_bytes(count),
        other => {
            assert_eq!(other.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
            0
        }
    }
}

#[test]
fn a_completion_signals_the_eventfd() {
    let (mut ring, eventfd) = watched();
    ring.register_eventfd(eventfd.as_fd()).unwrap();
    assert_eq!(signals(&eventfd), 0);
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    assert!(signals(&eventfd) >= 1);
    assert_eq!(signals(&eventfd), 0, "it was told once");
}

#[test]
fn a_completion_of_a_request_that_waited_signals_the_eventfd() {
    let (mut ring, eventfd) = watched();
    ring.register_eventfd(eventfd.as_fd()).unwrap();
    let (reader, mut writer) = pipe();
    let mut bytes = [0; 4];
    crate::support::push(&mut ring, &read(reader.as_raw_fd(), &mut bytes)).unwrap();
    ring.submit().unwrap();
    assert_eq!(signals(&eventfd), 0);
    writer.write_all(b"x").unwrap();
    assert_eq!(next(&mut ring).res, 1);
    assert!(signals(&eventfd) >= 1);
}

#[test]
fn an_asynchronous_eventfd_is_not_signalled_by_what_completes_at_once() {
    let (mut ring, eventfd) = watched();
    ring.register_eventfd_async(eventfd.as_fd()).unwrap();
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    assert_eq!(signals(&eventfd), 0);
}

#[test]
fn an_asynchronous_eventfd_is_signalled_by_a_worker() {
    let (mut ring, mut eventfd) = watched();
    ring.register_eventfd_async(eventfd.as_fd()).unwrap();
    let (reader, mut writer) = pipe();
    let mut bytes = [0; 4];
    let mut sqe = read(reader.as_raw_fd(), &mut bytes);
    sqe.flags = SqeFlags::ASYNC;
    crate::support::push(&mut ring, &sqe).unwrap();
    ring.submit().unwrap();
    writer.write_all(b"x").unwrap();
    assert_eq!(next(&mut ring).res, 1);
    // SAFETY: no pointers; the next read waits for a signal.
    assert_eq!(unsafe { libc::fcntl(eventfd.as_raw_fd(), libc::F_SETFL, 0) }, 0);
    eventfd.read_exact(&mut [0; 8]).unwrap();
}

#[test]
fn a_silenced_eventfd_is_not_signalled_until_it_is_let_speak() {
    let (mut ring, eventfd) = watched();
    ring.register_eventfd(eventfd.as_fd()).unwrap();
    assert!(ring.eventfd_enabled());
    ring.set_eventfd_enabled(false).unwrap();
    assert!(!ring.eventfd_enabled());
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    assert_eq!(signals(&eventfd), 0);
    ring.set_eventfd_enabled(true).unwrap();
    assert!(ring.eventfd_enabled());
    assert_eq!(signals(&eventfd), 0, "what was missed is not made up for");
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    assert!(signals(&eventfd) >= 1);
}

#[test]
fn there_is_one_eventfd_at_a_time() {
    let (mut ring, eventfd) = watched();
    assert_eq!(ring.unregister_eventfd(), Err(Errno(libc::ENXIO)));
    ring.register_eventfd(eventfd.as_fd()).unwrap();
    assert_eq!(ring.register_eventfd(eventfd.as_fd()), Err(Errno(libc::EBUSY)));
    assert_eq!(ring.register_eventfd_async(eventfd.as_fd()), Err(Errno(libc::EBUSY)));
    ring.unregister_eventfd().unwrap();
    assert_eq!(run(&mut ring, &Nop), Ok(()));
    assert_eq!(signals(&eventfd), 0, "it was removed");
    ring.register_eventfd_async(eventfd.as_fd()).unwrap();
}

#[test]
fn what_is_no_eventfd_is_refused() {
    let (mut ring, _eventfd) = watched();
    let null = File::open("/dev/null").unwrap();
    assert_eq!(ring.register_eventfd(null.as_fd()), Err(Errno(libc::EINVAL)));
    push(&mut ring, &Nop, 1);
    assert_eq!(next(&mut ring).res, 0);
}
