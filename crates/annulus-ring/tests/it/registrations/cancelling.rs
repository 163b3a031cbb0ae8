//! Cancelling and waiting for the end in one call. Mirrors sync-cancel of liburing.

use std::{fs::File, os::fd::AsRawFd as _};

use annulus_ring::{
    Ring, Target,
    abi::{Errno, Opcode, PollFlags, SqeFlags, SyncCancel, Timespec},
    op::{PollAdd, Read, Timeout},
};

use super::settled;
use crate::ops::{decode, link, next, pipe, push, ring};

/// A ring with polls of two pipes, which nothing ends.
struct Bench {
    ring: Ring,
    first: File,
    second: File,
    _writers: [File; 2],
}

impl Bench {
    fn new() -> Self {
        let ((first, a), (second, b)) = (pipe(), pipe());
        Self { ring: ring(), first, second, _writers: [a, b] }
    }

    fn poll(&mut self, target: Target, user_data: u64) {
        let poll = PollAdd { target, events: libc::POLLIN as u32, flags: PollFlags::EMPTY };
        push(&mut self.ring, &poll, user_data);
    }

    fn poll_first(&mut self, user_data: u64) {
        self.poll(Target::Fd(self.first.as_raw_fd()), user_data);
    }

    fn poll_second(&mut self, user_data: u64) {
        self.poll(Target::Fd(self.second.as_raw_fd()), user_data);
    }

    /// The user data of what was cancelled, sorted; nothing else completed.
    fn ended(&mut self) -> Vec<u64> {
        let count = settled(&mut self.ring);
        let mut ended: Vec<u64> = (0..count)
            .map(|_| {
                let cqe = next(&mut self.ring);
                assert_eq!(decode::<PollAdd>(&cqe), Err(Errno(libc::ECANCELED)));
                cqe.user_data
            })
            .collect();
        ended.sort_unstable();
        ended
    }
}

#[test]
fn a_request_is_cancelled_by_its_user_data_before_the_call_returns() {
    let mut bench = Bench::new();
    bench.poll_first(1);
    bench.poll_first(2);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_user_data(2)), Ok(0));
    assert_eq!(bench.ended(), [2]);
    let again = bench.ring.sync_cancel(&SyncCancel::of_user_data(2));
    assert_eq!(again, Err(Errno(libc::ENOENT)));
}

#[test]
fn all_with_the_same_user_data_are_cancelled_and_counted() {
    let mut bench = Bench::new();
    for user_data in [7, 7, 8, 7] {
        bench.poll_first(user_data);
    }
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_user_data(7).all()), Ok(3));
    assert_eq!(bench.ended(), [7, 7, 7]);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_user_data(7).all()), Ok(0));
    assert_eq!(bench.ended(), []);
}

#[test]
fn only_the_first_is_cancelled_unless_all_are_asked_for() {
    let mut bench = Bench::new();
    bench.poll_first(7);
    bench.poll_first(7);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_user_data(7)), Ok(0));
    assert_eq!(bench.ended(), [7]);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_user_data(7)), Ok(0));
    assert_eq!(bench.ended(), [7]);
}

#[test]
fn requests_on_a_descriptor_are_cancelled_and_others_stay() {
    let mut bench = Bench::new();
    bench.poll_first(1);
    bench.poll_second(2);
    bench.poll_first(3);
    let fd = bench.first.as_raw_fd();
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_fd(fd).all()), Ok(2));
    assert_eq!(bench.ended(), [1, 3]);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::any()), Ok(1));
    assert_eq!(bench.ended(), [2]);
}

#[test]
fn requests_on_a_slot_are_cancelled_by_the_slot() {
    let mut bench = Bench::new();
    let fds = [bench.first.as_raw_fd(), bench.second.as_raw_fd()];
    bench.ring.register_files(&fds, &[]).unwrap();
    bench.poll(Target::Fixed(0), 1);
    bench.poll(Target::Fixed(1), 2);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_slot(1)), Ok(0));
    assert_eq!(bench.ended(), [2]);
    let beyond = bench.ring.sync_cancel(&SyncCancel::of_slot(9));
    assert_eq!(beyond, Err(Errno(libc::EBADF)));
}

#[test]
fn requests_of_an_opcode_are_cancelled() {
    let mut bench = Bench::new();
    bench.poll_first(1);
    let hour = Timespec { sec: 3600, nsec: 0 };
    let flags = annulus_ring::abi::TimeoutFlags::EMPTY;
    push(&mut bench.ring, &Timeout { spec: &hour, count: 0, flags }, 2);
    bench.poll_second(3);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_op(Opcode::POLL_ADD).all()), Ok(2));
    assert_eq!(bench.ended(), [1, 3]);
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::of_op(Opcode::TIMEOUT)), Ok(0));
    assert_eq!(bench.ended(), [2]);
}

#[test]
fn both_descriptor_and_user_data_must_match_if_both_are_asked_for() {
    let mut bench = Bench::new();
    bench.poll_first(1);
    bench.poll_second(1);
    bench.poll_second(2);
    let both = SyncCancel::of_fd(bench.second.as_raw_fd()).with_user_data(1);
    assert_eq!(bench.ring.sync_cancel(&both), Ok(0));
    assert_eq!(bench.ended(), [1]);
    assert_eq!(bench.ring.sync_cancel(&both), Err(Errno(libc::ENOENT)));
    assert_eq!(bench.ring.sync_cancel(&SyncCancel::any()), Ok(2));
    assert_eq!(bench.ended(), [1, 2]);
}

#[test]
fn nothing_to_cancel_is_an_error_unless_all_are_asked_for() {
    let mut ring = ring();
    let one = SyncCancel::of_op(Opcode::READ);
    assert_eq!(ring.sync_cancel(&one), Err(Errno(libc::ENOENT)));
    assert_eq!(ring.sync_cancel(&one.all()), Ok(0));
    assert_eq!(ring.sync_cancel(&SyncCancel::any()), Ok(0));
    let bad = SyncCancel::of_fd(i32::MAX);
    assert_eq!(ring.sync_cancel(&bad), Err(Errno(libc::EBADF)));
}

#[test]
fn a_description_with_reserved_words_set_is_refused() {
    let mut ring = ring();
    let reserved = SyncCancel { pad2: [1, 0, 0], ..SyncCancel::any() };
    assert_eq!(ring.sync_cancel(&reserved), Err(Errno(libc::EINVAL)));
}

#[test]
fn a_limit_of_time_does_not_matter_to_what_ends_at_once() {
    let mut bench = Bench::new();
    bench.poll_first(1);
    let within = SyncCancel::of_user_data(1).within(Timespec::from_nanos(1));
    assert_eq!(bench.ring.sync_cancel(&within), Ok(0));
    assert_eq!(bench.ended(), [1]);
}

#[test]
fn what_a_worker_does_is_cancelled_even_if_the_limit_leaves_no_time_to_wait_for_it() {
    let mut bench = Bench::new();
    let mut byte = [0];
    let target = Target::Fd(bench.first.as_raw_fd());
    let read = Read { target, addr: byte.as_mut_ptr(), len: 1, offset: u64::MAX };
    link(&mut bench.ring, &read, 1, SqeFlags::ASYNC);
    bench.ring.submit().unwrap();
    let hasty = SyncCancel::of_user_data(1).within(Timespec::from_nanos(0));
    let over = loop {
        let over = bench.ring.sync_cancel(&hasty);
        // A request that a worker is just taking up is not found.
        if over != Err(Errno(libc::ENOENT)) || settled(&mut bench.ring) > 0 {
            break over;
        }
    };
    // The worker may have been faster than the call.
    assert!(matches!(over, Ok(0) | Err(Errno(libc::ETIME | libc::ENOENT))), "{over:?}");
    let cqe = next(&mut bench.ring);
    assert!(matches!(-cqe.res, libc::ECANCELED | libc::EINTR), "{cqe:?}");
}
