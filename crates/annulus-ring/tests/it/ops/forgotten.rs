//! A cancel that is too late for a worker thread, and may be forgotten. Mirrors io-cancel and
//! cancel-race of liburing, for requests that were sent to a worker.

use std::os::fd::AsRawFd as _;

use annulus_ring::{
    Op as _, Ring,
    abi::CancelFlags,
    op::{Cancel, CancelOutcome, Read, Splice, Target},
};

use super::{
    decode,
    made::{HERE, assert_silence, fd, read},
    pipe, push, ring,
};
use crate::support::wait;

/// The moment is short: a few of ten thousand requests meet it.
const ROUNDS: u32 = 10_000;
const VICTIM: u64 = 1;
const CANCEL: u64 = 2;
/// What a wait in the kernel is interrupted with. Reads and writes turn it into EINTR, a splice on
/// a worker gives it as it is (seen on Linux 6.18, rarely).
const ERESTARTSYS: i32 = 512;

/// Cancels until the request ends: how it ended, and what each cancel said.
fn cancel_until_it_ends(ring: &mut Ring) -> (i32, Vec<CancelOutcome>) {
    let (mut ended, mut said) = (None, Vec::new());
    loop {
        push(ring, &Cancel { user_data: VICTIM, flags: CancelFlags::EMPTY }, CANCEL);
        let asked = said.len();
        while said.len() == asked {
            wait(ring, 1, None);
            for cqe in ring.completions() {
                match cqe.user_data {
                    VICTIM => assert_eq!(ended.replace(cqe.res), None, "it ends once"),
                    _ => said.push(decode::<Cancel>(&cqe).unwrap()),
                }
            }
        }
        if let Some(res) = ended {
            return (res, said);
        }
        assert!(said.len() < 1_000_000, "no cancel ends it: {:?}", &said[said.len() - 10..]);
        std::thread::yield_now();
    }
}

/// A worker that has looked for the cancel and then hands its request to poll does not look again:
/// the cancel has said EALREADY, and nothing comes of it. One that is asked again meets the poll.
#[test]
fn a_request_on_its_way_from_a_worker_to_poll_ends_when_it_is_asked_again() {
    let mut ring = ring();
    let (reader, _writer) = pipe();
    let mut buffer = [0; 8];
    let waits: Read = read(fd(&reader), &mut buffer, HERE);
    let mut repeated = 0;
    for round in 0..ROUNDS {
        push(&mut ring, &waits.flagged().on_worker(), VICTIM);
        ring.submit().unwrap();
        (0..round % 150 * 20).for_each(|_| std::hint::spin_loop());
        let (res, said) = cancel_until_it_ends(&mut ring);
        assert!([-libc::ECANCELED, -libc::EINTR].contains(&res), "{res} after {said:?}");
        repeated += usize::from(said.len() > 1);
    }
    println!("{repeated} of {ROUNDS} requests were asked more than once");
    assert_silence(&mut ring);
}

#[test]
fn a_request_that_blocks_its_worker_is_interrupted() {
    let mut ring = ring();
    let (from, _feeder) = pipe();
    let (_sink, to) = pipe();
    let splice = Splice {
        from: Target::Fd(from.as_raw_fd()),
        from_offset: u64::MAX,
        to: Target::Fd(to.as_raw_fd()),
        to_offset: u64::MAX,
        len: 8,
        flags: 0,
    };
    for _ in 0..50 {
        push(&mut ring, &splice, VICTIM);
        ring.submit().unwrap();
        let (res, said) = cancel_until_it_ends(&mut ring);
        let ends = [-libc::ECANCELED, -libc::EINTR, -ERESTARTSYS];
        assert!(ends.contains(&res), "{res} after {said:?}");
    }
    assert_silence(&mut ring);
}
