//! Rings inside of poll(2) and epoll(7), and devices that are polled. Mirrors evloop, eploop and
//! iopoll of liburing.

use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use annulus_ring::{
    Mask, Ring, Target,
    abi::{Opcode, PollFlags, SetupFlags, Sqe, Timespec},
    op::PollAdd,
};

use super::{goes_round, next, nop, pipe, small, works};
use crate::support::{push, skip};

/// Whether poll(2) finds something to read, without waiting.
fn readable(fd: RawFd) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    assert!(unsafe { libc::poll(&mut entry, 1, 0) } >= 0);
    entry.revents & libc::POLLIN != 0
}

/// An epoll set with one member.
fn epoll(member: RawFd, events: i32) -> OwnedFd {
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: the call gave the descriptor to this test.
    let set = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut event = libc::epoll_event { events: events as u32, u64: 0 };
    // SAFETY: one valid event.
    let added = unsafe { libc::epoll_ctl(fd, libc::EPOLL_CTL_ADD, member, &mut event) };
    assert_eq!(added, 0);
    set
}

/// How many events an epoll set reports now.
fn events(set: &OwnedFd) -> i32 {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: room for one event.
    unsafe { libc::epoll_wait(set.as_raw_fd(), &mut event, 1, 0) }
}

/// Waits on `fd` again and again.
fn watch(ring: &mut Ring, fd: RawFd, flags: PollFlags, user_data: u64) {
    let poll = PollAdd { target: Target::Fd(fd), events: libc::POLLIN as u32, flags };
    // SAFETY: a poll borrows no memory.
    unsafe { ring.push(&poll, user_data) }.unwrap();
    ring.submit().unwrap();
}

#[test]
fn a_ring_is_readable_as_long_as_a_completion_waits() {
    let mut ring = small().build().unwrap();
    assert!(!readable(ring.fd()));
    nop(&mut ring, 1).unwrap();
    assert!(!readable(ring.fd()), "pushed is not submitted");
    ring.submit().unwrap();
    assert!(readable(ring.fd()));
    ring.advance(1);
    assert!(!readable(ring.fd()));
}

#[test]
fn a_ring_in_an_epoll_set_is_reported_and_then_not() {
    let mut ring = small().build().unwrap();
    let set = epoll(ring.fd(), libc::EPOLLIN);
    assert_eq!(events(&set), 0);
    nop(&mut ring, 1).unwrap();
    ring.submit().unwrap();
    assert_eq!(events(&set), 1);
    assert_eq!(events(&set), 1, "level-triggered");
    ring.advance(1);
    assert_eq!(events(&set), 0);
}

#[test]
fn a_ring_in_an_edge_triggered_epoll_set_is_reported_once_for_each_batch() {
    let mut ring = small().build().unwrap();
    let set = epoll(ring.fd(), libc::EPOLLIN | libc::EPOLLET);
    for _ in 0..3 {
        nop(&mut ring, 1).unwrap();
        ring.submit().unwrap();
        assert_eq!(events(&set), 1);
        assert_eq!(events(&set), 0);
        ring.advance(1);
    }
}

#[test]
fn a_deferring_ring_is_readable_when_task_work_waits() {
    let [reader, writer] = pipe();
    let mut ring = small().build().unwrap();
    assert!(ring.capabilities().defers_task_work());
    watch(&mut ring, reader.as_raw_fd(), PollFlags::EMPTY, 1);
    let set = epoll(ring.fd(), libc::EPOLLIN);
    assert!(!readable(ring.fd()));
    File::from(writer).write_all(b"x").unwrap();
    assert_eq!((readable(ring.fd()), ring.cq_ready()), (true, 0), "to be run, not to be reaped");
    ring.flush().unwrap();
    // An epoll set hears of completions for certain; of task work only some kernels tell it.
    assert_eq!((events(&set), ring.cq_ready()), (1, 1));
    ring.advance(1);
    assert_eq!((events(&set), readable(ring.fd())), (0, false));
}

#[test]
fn a_ring_that_watches_its_own_eventfd_does_not_wake_itself_for_ever() {
    let mut ring = small().cq_entries(1024).build().unwrap();
    // SAFETY: no pointers.
    let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(bell >= 0);
    // SAFETY: the call gave the descriptor to this test.
    let bell = unsafe { OwnedFd::from_raw_fd(bell) };
    ring.register_eventfd(bell.as_fd()).unwrap();
    watch(&mut ring, bell.as_raw_fd(), PollFlags::ADD_MULTI, 1);
    nop(&mut ring, 2).unwrap();
    assert_eq!(ring.submit(), Ok(1));
    let mut seen = 0;
    for _ in 0..100 {
        ring.flush().unwrap();
        seen += ring.advance(usize::MAX);
    }
    assert!((1..32).contains(&seen), "{seen} completions of one NOP");
}

#[test]
fn a_ring_that_watches_an_epoll_set_with_itself_does_not_wake_itself_for_ever() {
    let mut ring = small().cq_entries(1024).build().unwrap();
    let set = epoll(ring.fd(), libc::EPOLLIN);
    watch(&mut ring, set.as_raw_fd(), PollFlags::ADD_MULTI, 1);
    nop(&mut ring, 2).unwrap();
    ring.submit().unwrap();
    let mut seen = 0;
    for _ in 0..100 {
        ring.flush().unwrap();
        seen += ring.advance(usize::MAX);
    }
    assert!((1..32).contains(&seen), "{seen} completions of one NOP");
    assert!(!ring.overflowed());
}

#[test]
fn a_ring_watches_another_ring() {
    let mut watched = small().build().unwrap();
    let mut ring = small().build().unwrap();
    watch(&mut ring, watched.fd(), PollFlags::EMPTY, 3);
    assert_eq!(ring.cq_ready(), 0);
    nop(&mut watched, 1).unwrap();
    assert_eq!(watched.submit(), Ok(1));
    assert_eq!(next(&mut ring).user_data, 3);
}

#[test]
fn a_ring_that_polls_devices_goes_round() {
    let mut ring = small().iopoll().build().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::IOPOLL));
    goes_round(&mut ring);
}

#[test]
fn a_ring_that_sleeps_before_it_polls_devices_goes_round() {
    let mut ring = match small().hybrid_iopoll().build() {
        Ok(ring) => ring,
        Err(refusal) => {
            assert!(refusal.to_string().contains("HYBRID_IOPOLL"), "{refusal}");
            return skip("this kernel has no hybrid polling");
        }
    };
    let both = SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL;
    assert!(ring.capabilities().setup().contains(both));
    goes_round(&mut ring);
}

#[test]
fn a_file_whose_device_cannot_be_polled_is_refused_and_the_ring_goes_on() {
    let [reader, _writer] = pipe();
    let mut ring = small().iopoll().build().unwrap();
    let mut byte = [0_u8];
    push(&mut ring, &crate::support::read(reader.as_raw_fd(), &mut byte)).unwrap();
    ring.submit().unwrap();
    assert_eq!(next(&mut ring).res, -libc::EOPNOTSUPP);
    works(&mut ring);
}

#[test]
fn an_operation_without_a_device_is_refused_by_a_polling_ring_or_done_since_it_may() {
    let mut ring = small().iopoll().build().unwrap();
    let time = Timespec { sec: 0, nsec: 1 };
    let addr = (&raw const time) as u64;
    let timeout = Sqe { opcode: Opcode::TIMEOUT, addr, len: 1, ..Sqe::default() };
    push(&mut ring, &timeout).unwrap();
    ring.submit().unwrap();
    let res = next(&mut ring).res;
    // Since 7.1 such rings take other operations as well.
    assert!([-libc::EINVAL, -libc::ETIME].contains(&res), "{res}");
    works(&mut ring);
}

#[test]
fn the_descriptor_is_polled_as_well_where_nothing_is_registered() {
    let mut ring = small().mask(Mask::none().registered_ring()).build().unwrap();
    nop(&mut ring, 1).unwrap();
    ring.submit().unwrap();
    assert!(readable(ring.fd()));
}
