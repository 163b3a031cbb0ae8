//! Back-pressure and refusals of a shared ring.

use std::{io, thread, time::Duration};

use annulus_ring::{
    PushError, Ring, SharedRing, SubmitError, Submitter,
    abi::{Cqe, Opcode, Sqe, SqeFlags},
    op::Nop,
};

use super::nop;

fn push(submitter: &mut Submitter, sqe: &Sqe) -> Result<(), PushError> {
    // SAFETY: the entries of these tests borrow no memory.
    unsafe { submitter.push_sqe(sqe) }
}

fn small() -> (SharedRing, Submitter) {
    let ring = Ring::builder().entries(4).cq_entries(8).build_shared().unwrap();
    let submitter = ring.submitter();
    (ring, submitter)
}

/// Submits until as many requests are in flight as there can be.
fn fill(submitter: &mut Submitter, count: u64) {
    for number in 0..count {
        push(submitter, &nop(number)).unwrap();
        submitter.submit().unwrap();
    }
}

#[test]
fn no_more_is_in_flight_than_the_completion_queue_holds() {
    let (ring, mut submitter) = small();
    assert_eq!(ring.capacity(), 8);
    fill(&mut submitter, 8);
    assert_eq!(push(&mut submitter, &nop(8)), Err(PushError::Full));
    assert_eq!((ring.in_flight(), ring.cq_ready()), (8, 8));
    let mut cqe = [Cqe::default()];
    assert_eq!((ring.reap(&mut cqe), cqe[0].user_data), (1, 0));
    push(&mut submitter, &nop(8)).unwrap();
    assert_eq!(push(&mut submitter, &nop(9)), Err(PushError::Full));
}

#[test]
fn a_full_submission_queue_is_told_and_a_submission_makes_room() {
    let (_ring, mut submitter) = small();
    for number in 0..4 {
        push(&mut submitter, &nop(number)).unwrap();
    }
    assert_eq!(push(&mut submitter, &nop(4)), Err(PushError::Full));
    assert_eq!(submitter.submit(), Ok(4));
    assert_eq!(push(&mut submitter, &nop(4)), Ok(()));
    let error = io::Error::from(PushError::Full);
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn who_waits_for_room_goes_on_when_another_thread_reaps() {
    let (ring, mut submitter) = small();
    fill(&mut submitter, 8);
    thread::scope(|scope| {
        scope.spawn(|| {
            submitter.wait_for_room(4, None).unwrap();
            for number in 0..4 {
                push(&mut submitter, &nop(100 + number)).unwrap();
            }
            submitter.submit().unwrap();
        });
        let mut cqes = [Cqe::default(); 2];
        let mut reaped = 0;
        while reaped < 12 {
            match ring.reap(&mut cqes) {
                0 => ring.wait(1, None).unwrap(),
                count => reaped += count,
            }
        }
    });
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn waiting_for_room_ends_with_its_time() {
    let (_ring, mut submitter) = small();
    fill(&mut submitter, 8);
    let waited = submitter.wait_for_room(1, Some(Duration::from_millis(2)));
    assert_eq!(waited.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_reservation_is_kept_in_full_or_not_at_all() {
    let (ring, mut submitter) = small();
    let mut other = ring.submitter();
    other.reserve(3).unwrap();
    assert_eq!(submitter.reserve(2), Err(PushError::Full));
    assert_eq!(submitter.reserve(1), Ok(()));
    assert_eq!(submitter.reserve(5), Err(PushError::TooMany { most: 4 }));
    drop(other);
    assert_eq!(submitter.reserve(4), Ok(()));
    for number in 0..4 {
        assert_eq!(push(&mut submitter, &nop(number)), Ok(()));
    }
}

#[test]
fn requests_that_do_not_complete_exactly_once_are_refused() {
    let (ring, mut submitter) = small();
    let quiet = Sqe { flags: SqeFlags::CQE_SKIP_SUCCESS, ..nop(1) };
    assert_eq!(push(&mut submitter, &quiet), Err(PushError::Completions(Opcode::NOP)));
    let zero_copy = Sqe::new(Opcode::SEND_ZC);
    assert_eq!(push(&mut submitter, &zero_copy), Err(PushError::Completions(Opcode::SEND_ZC)));
    let chain = [nop(1), quiet];
    // SAFETY: NOPs borrow no memory.
    let refused = unsafe { submitter.push_chain(&chain) };
    assert_eq!(refused, Err(PushError::Completions(Opcode::NOP)));
    assert!(submitter.is_empty());
    assert_eq!(ring.in_flight(), 0);
    let text = PushError::Completions(Opcode::RECV).to_string();
    assert!(text.contains("RECV") && text.contains("exactly once"), "{text}");
}

#[test]
fn a_chain_goes_as_one_piece_and_breaks_where_it_fails() {
    let (ring, mut submitter) = small();
    let fails = Sqe { fd: -1, user_data: 1, ..Sqe::new(Opcode::FSYNC) };
    // SAFETY: none of them borrows memory.
    unsafe { submitter.push_chain(&[nop(0), fails, nop(2)]) }.unwrap();
    push(&mut submitter, &nop(3)).unwrap();
    submitter.submit().unwrap();
    let mut cqes = [Cqe::default(); 4];
    let mut reaped = 0;
    while reaped < 4 {
        ring.wait(1, None).unwrap();
        reaped += ring.reap(&mut cqes[reaped..]);
    }
    cqes.sort_by_key(|cqe| cqe.user_data);
    assert_eq!(cqes.map(|cqe| cqe.res), [0, -libc::EBADF, -libc::ECANCELED, 0]);
    // SAFETY: NOPs borrow no memory.
    let refused = unsafe { submitter.push_chain(&[nop(0); 5]) };
    assert_eq!(refused, Err(PushError::TooMany { most: 4 }));
}

#[test]
fn a_batch_that_ends_within_a_chain_is_not_submitted() {
    let (ring, mut submitter) = small();
    // SAFETY: a NOP borrows no memory.
    unsafe { submitter.push_with_flags(&Nop, 1, SqeFlags::IO_LINK) }.unwrap();
    assert_eq!(submitter.submit(), Err(SubmitError::OpenChain));
    assert_eq!(ring.pending(), 0);
    push(&mut submitter, &nop(2)).unwrap();
    assert_eq!(submitter.submit(), Ok(2));
    let kind = io::Error::from(SubmitError::OpenChain).kind();
    assert_eq!(kind, io::ErrorKind::InvalidInput);
}
