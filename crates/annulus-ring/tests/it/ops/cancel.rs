//! Ending requests. Mirrors io-cancel, cancel-fd-userdata and poll-cancel-all of liburing.

use std::os::fd::AsRawFd;

use annulus_ring::{
    Op, Ring, Target,
    abi::{CancelFlags, Cqe, Errno, Opcode, PollFlags},
    op::{Cancel, CancelFd, CancelMatching, CancelOutcome, PollAdd},
};

use super::{decode, next, pipe, push, ring, run, supported};

/// Pushes polls of `target` that nothing ends, with these user data.
fn arm(ring: &mut Ring, target: Target, user_data: &[u64]) {
    for &user_data in user_data {
        let poll = PollAdd { target, events: libc::POLLIN as u32, flags: PollFlags::EMPTY };
        push(ring, &poll, user_data);
    }
    assert_eq!(ring.cq_ready(), 0);
}

/// Runs a cancel that ends `count` requests: its outcome, and the user data of what it ended,
/// sorted.
fn cancel<O: Op<Output = CancelOutcome>>(
    ring: &mut Ring,
    op: &O,
    count: usize,
) -> (CancelOutcome, Vec<u64>) {
    const CANCEL: u64 = u64::MAX;
    push(ring, op, CANCEL);
    let cqes: Vec<Cqe> = (0..=count).map(|_| next(ring)).collect();
    let (own, ended): (Vec<Cqe>, Vec<Cqe>) = cqes.iter().partition(|cqe| cqe.user_data == CANCEL);
    for cqe in &ended {
        assert_eq!(decode::<PollAdd>(cqe), Err(Errno(libc::ECANCELED)));
    }
    let mut ended: Vec<u64> = ended.iter().map(|cqe| cqe.user_data).collect();
    ended.sort_unstable();
    (decode::<O>(&own[0]).unwrap(), ended)
}

#[test]
fn a_request_is_cancelled_by_its_user_data_once() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    arm(&mut ring, Target::Fd(reader.as_raw_fd()), &[1, 2]);
    let op = Cancel { user_data: 2, flags: CancelFlags::EMPTY };
    let (outcome, ended) = cancel(&mut ring, &op, 1);
    assert_eq!((outcome, ended), (CancelOutcome::Done(0), vec![2]));
    assert_eq!(run(&mut ring, &op), Ok(CancelOutcome::NotFound));
}

#[test]
fn all_requests_with_the_same_user_data_are_cancelled_and_counted() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    arm(&mut ring, Target::Fd(reader.as_raw_fd()), &[1, 2, 2]);
    let op = Cancel { user_data: 2, flags: CancelFlags::ALL };
    let (outcome, ended) = cancel(&mut ring, &op, 2);
    assert_eq!((outcome, ended), (CancelOutcome::Done(2), vec![2, 2]));
}

#[test]
fn requests_are_cancelled_by_descriptor_and_by_slot() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let (other, _other_writer) = pipe();
    ring.register_files_sparse(1).unwrap();
    assert_eq!(ring.update_files(0, &[other.as_raw_fd()]), Ok(1));
    arm(&mut ring, Target::Fd(reader.as_raw_fd()), &[1, 2]);
    arm(&mut ring, Target::Fixed(0), &[3, 4]);
    let by_fd = CancelFd { target: Target::Fd(reader.as_raw_fd()), flags: CancelFlags::ALL };
    let (outcome, ended) = cancel(&mut ring, &by_fd, 2);
    assert_eq!((outcome, ended), (CancelOutcome::Done(2), vec![1, 2]));
    let by_slot = CancelFd { target: Target::Fixed(0), flags: CancelFlags::ALL };
    let (outcome, ended) = cancel(&mut ring, &by_slot, 2);
    assert_eq!((outcome, ended), (CancelOutcome::Done(2), vec![3, 4]));
    let none = CancelFd { target: Target::Fd(-1), flags: CancelFlags::EMPTY };
    assert_eq!(run(&mut ring, &none), Err(Errno(libc::EBADF)));
}

const EVERYTHING: CancelMatching =
    CancelMatching { target: None, opcode: None, user_data: None, all: true };

#[test]
fn all_requests_are_cancelled_when_no_key_is_given() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    arm(&mut ring, Target::Fd(reader.as_raw_fd()), &[1, 2, 3]);
    let (outcome, ended) = cancel(&mut ring, &EVERYTHING, 3);
    assert_eq!((outcome, ended), (CancelOutcome::Done(3), vec![1, 2, 3]));
}

#[test]
fn a_request_must_match_every_key_to_be_cancelled() {
    let mut ring = ring();
    // Several keys came with 6.6, and no probe tells of a flag; this opcode came next.
    if !supported(&ring, &[Opcode::READ_MULTISHOT]) {
        return;
    }
    let (reader, _writer) = pipe();
    let target = Target::Fd(reader.as_raw_fd());
    arm(&mut ring, target, &[1, 2]);
    let mismatch = CancelMatching {
        target: Some(target),
        opcode: Some(Opcode::RECV),
        user_data: Some(1),
        all: false,
    };
    assert_eq!(run(&mut ring, &mismatch), Ok(CancelOutcome::NotFound));
    let other = CancelMatching { opcode: None, user_data: Some(3), ..mismatch };
    assert_eq!(run(&mut ring, &other), Ok(CancelOutcome::NotFound));
    let op = CancelMatching { opcode: Some(Opcode::POLL_ADD), ..mismatch };
    let (outcome, ended) = cancel(&mut ring, &op, 1);
    assert_eq!((outcome, ended), (CancelOutcome::Done(0), vec![1]));
    let by_opcode = CancelMatching { opcode: Some(Opcode::POLL_ADD), ..EVERYTHING };
    let (outcome, ended) = cancel(&mut ring, &by_opcode, 1);
    assert_eq!((outcome, ended), (CancelOutcome::Done(1), vec![2]));
}
