//! Timers. Mirrors timeout, link-timeout and timeout-new of liburing.

use std::os::{fd::AsRawFd, unix::net::UnixStream};

use annulus_ring::{
    Kernel as _, Ring, Target,
    abi::{Errno, Opcode, RecvSendFlags, SqeFlags, TimeoutFlags, Timespec},
    op::{
        LinkTimeout, LinkTimeoutEnd, Nop, Recv, Timeout, TimeoutEnd, TimeoutRemove, TimeoutUpdate,
    },
};

use super::{decode, link, next, next_two, push, ring, run, supported};

const SHORT: Timespec = Timespec { sec: 0, nsec: 1_000_000 };
const LONG: Timespec = Timespec { sec: 3600, nsec: 0 };

fn timeout(spec: &Timespec, flags: TimeoutFlags) -> Timeout {
    Timeout { spec, count: 0, flags }
}

#[test]
fn a_timeout_expires_on_every_clock() {
    let mut ring = ring();
    for flags in [TimeoutFlags::EMPTY, TimeoutFlags::BOOTTIME, TimeoutFlags::REALTIME] {
        let before = ring.kernel().now();
        assert_eq!(run(&mut ring, &timeout(&SHORT, flags)), Ok(TimeoutEnd::Expired));
        let took_ns = ring.kernel().now() - before;
        if flags != TimeoutFlags::REALTIME {
            assert!(took_ns >= 1_000_000, "{flags:?}: {took_ns}");
        }
    }
    let both = TimeoutFlags::BOOTTIME | TimeoutFlags::REALTIME;
    assert_eq!(run(&mut ring, &timeout(&SHORT, both)), Err(Errno(libc::EINVAL)));
}

#[test]
fn an_absolute_time_that_has_passed_expires_at_once() {
    let mut ring = ring();
    let past = Timespec { sec: 0, nsec: 1 };
    let op = timeout(&past, TimeoutFlags::ABS);
    assert_eq!(run(&mut ring, &op), Ok(TimeoutEnd::Expired));
}

#[test]
fn a_timeout_completes_after_so_many_completions() {
    let mut ring = ring();
    let op = Timeout { count: 2, ..timeout(&LONG, TimeoutFlags::EMPTY) };
    push(&mut ring, &op, 9);
    push(&mut ring, &Nop, 1);
    assert_eq!(next(&mut ring).user_data, 1);
    push(&mut ring, &Nop, 2);
    let [second, counted] = next_two(&mut ring);
    assert_eq!((second.user_data, counted.user_data), (2, 9));
    assert_eq!(decode::<Timeout>(&counted), Ok(TimeoutEnd::Counted));
}

#[test]
fn a_multishot_timeout_fires_as_often_as_asked() {
    let mut ring = ring();
    // Multishot timeouts came with 6.4, and no probe tells of a flag; this opcode came soon after.
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let op = Timeout { count: 3, ..timeout(&SHORT, TimeoutFlags::MULTISHOT) };
    push(&mut ring, &op, 1);
    for more in [true, true, false] {
        let cqe = next(&mut ring);
        assert_eq!(decode::<Timeout>(&cqe), Ok(TimeoutEnd::Expired));
        assert_eq!(cqe.more(), more);
    }
}

/// Arms a timeout that does not expire by itself, with user data 1.
fn arm(ring: &mut Ring) {
    push(ring, &timeout(&LONG, TimeoutFlags::EMPTY), 1);
    assert_eq!(ring.cq_ready(), 0);
}

#[test]
fn a_timeout_is_removed_once() {
    let mut ring = ring();
    arm(&mut ring);
    let remove = TimeoutRemove { user_data: 1 };
    push(&mut ring, &remove, 2);
    let [removed, done] = next_two(&mut ring);
    assert_eq!(decode::<Timeout>(&removed), Err(Errno(libc::ECANCELED)));
    assert_eq!(decode::<TimeoutRemove>(&done), Ok(()));
    assert_eq!(run(&mut ring, &remove), Err(Errno(libc::ENOENT)));
}

#[test]
fn a_timeout_is_given_another_time() {
    let mut ring = ring();
    arm(&mut ring);
    let update = TimeoutUpdate { user_data: 1, spec: &SHORT, flags: TimeoutFlags::EMPTY };
    push(&mut ring, &update, 2);
    let [expired, done] = next_two(&mut ring);
    assert_eq!(decode::<Timeout>(&expired), Ok(TimeoutEnd::Expired));
    assert_eq!(decode::<TimeoutUpdate>(&done), Ok(()));
}

fn recv(target: Target, buffer: &mut [u8]) -> Recv {
    Recv {
        target,
        addr: buffer.as_mut_ptr(),
        len: buffer.len() as u32,
        flags: 0,
        ioprio: RecvSendFlags::EMPTY,
    }
}

#[test]
fn a_time_limit_cancels_the_request_that_it_is_linked_to() {
    let mut ring = ring();
    let (_left, right) = UnixStream::pair().unwrap();
    let mut buffer = [0; 1];
    let recv = recv(Target::Fd(right.as_raw_fd()), &mut buffer);
    link(&mut ring, &recv, 1, SqeFlags::IO_LINK);
    let limit = LinkTimeout { spec: &SHORT, flags: TimeoutFlags::EMPTY };
    link(&mut ring, &limit, 2, SqeFlags::EMPTY);
    let [received, limited] = next_two(&mut ring);
    assert_eq!(decode::<Recv>(&received), Err(Errno(libc::ECANCELED)));
    assert_eq!(decode::<LinkTimeout>(&limited), Ok(LinkTimeoutEnd::Expired));
}

#[test]
fn a_time_limit_is_not_needed_if_the_request_is_quick() {
    let mut ring = ring();
    link(&mut ring, &Nop, 1, SqeFlags::IO_LINK);
    let limit = LinkTimeout { spec: &LONG, flags: TimeoutFlags::EMPTY };
    link(&mut ring, &limit, 2, SqeFlags::EMPTY);
    let [nothing, limited] = next_two(&mut ring);
    assert_eq!(decode::<Nop>(&nothing), Ok(()));
    assert_eq!(decode::<LinkTimeout>(&limited), Ok(LinkTimeoutEnd::NotNeeded));
    assert_eq!(run(&mut ring, &limit), Err(Errno(libc::EINVAL)), "linked to nothing");
}
