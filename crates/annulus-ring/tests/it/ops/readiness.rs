//! Polls and epoll sets. Mirrors poll, poll-mshot-update and epwait of liburing.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use annulus_ring::{
    Ring, Target,
    abi::{Errno, Opcode, PollFlags},
    op::{EpollCtl, EpollWait, PollAdd, PollRemove, PollUpdate},
};

use super::{decode, next, next_two, pipe, push, ring, run, supported};

const IN: u32 = libc::POLLIN as u32;

fn poll(reader: &File, flags: PollFlags) -> PollAdd {
    PollAdd { target: Target::Fd(reader.as_raw_fd()), events: IN, flags }
}

/// Arms a poll that waits, with user data 1.
fn arm(ring: &mut Ring, op: &PollAdd) {
    push(ring, op, 1);
    assert_eq!(ring.cq_ready(), 0);
}

#[test]
fn a_poll_completes_when_there_is_something() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    arm(&mut ring, &poll(&reader, PollFlags::EMPTY));
    writer.write_all(b"x").unwrap();
    assert_eq!(decode::<PollAdd>(&next(&mut ring)), Ok(IN));
    assert_eq!(run(&mut ring, &poll(&reader, PollFlags::EMPTY)), Ok(IN));
}

#[test]
fn a_multishot_poll_reports_until_it_is_removed() {
    let mut ring = ring();
    let (mut reader, mut writer) = pipe();
    arm(&mut ring, &poll(&reader, PollFlags::ADD_MULTI));
    for _ in 0..3 {
        writer.write_all(b"x").unwrap();
        let cqe = next(&mut ring);
        assert_eq!((decode::<PollAdd>(&cqe), cqe.more()), (Ok(IN), true));
        reader.read_exact(&mut [0]).unwrap();
    }
    let remove = PollRemove { user_data: 1 };
    push(&mut ring, &remove, 2);
    let [removed, done] = next_two(&mut ring);
    assert_eq!(decode::<PollAdd>(&removed), Err(Errno(libc::ECANCELED)));
    assert!(!removed.more());
    assert_eq!(decode::<PollRemove>(&done), Ok(()));
    assert_eq!(run(&mut ring, &remove), Err(Errno(libc::ENOENT)));
}

#[test]
fn a_poll_is_given_other_events_and_another_name() {
    let mut ring = ring();
    let (_reader, writer) = pipe();
    let op = PollAdd { target: Target::Fd(writer.as_raw_fd()), events: 0, flags: PollFlags::EMPTY };
    arm(&mut ring, &op);
    let update = PollUpdate {
        user_data: 1,
        events: Some(libc::POLLOUT as u32),
        multishot: false,
        new_user_data: Some(3),
    };
    push(&mut ring, &update, 2);
    let [done, ready] = next_two(&mut ring);
    assert_eq!((done.user_data, ready.user_data), (2, 3));
    assert_eq!(decode::<PollUpdate>(&done), Ok(()));
    assert_eq!(decode::<PollAdd>(&ready), Ok(libc::POLLOUT as u32));
}

fn epoll() -> OwnedFd {
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: the call gave the descriptor to this test.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[test]
fn an_epoll_set_is_changed_and_waited_on() {
    let mut ring = ring();
    let set = epoll();
    let (reader, mut writer) = pipe();
    let wanted = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 42 };
    let add = EpollCtl {
        epoll: set.as_raw_fd(),
        command: libc::EPOLL_CTL_ADD,
        fd: reader.as_raw_fd(),
        event: &wanted,
    };
    assert_eq!(run(&mut ring, &add), Ok(()));
    assert_eq!(run(&mut ring, &add), Err(Errno(libc::EEXIST)));
    if !supported(&ring, &[Opcode::EPOLL_WAIT]) {
        return;
    }
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
    let wait =
        EpollWait { target: Target::Fd(set.as_raw_fd()), events: events.as_mut_ptr(), count: 4 };
    push(&mut ring, &wait, 1);
    writer.write_all(b"x").unwrap();
    assert_eq!(decode::<EpollWait>(&next(&mut ring)), Ok(1));
    assert_eq!({ events[0].u64 }, 42);
}
