//! How a ring can be made, and what each choice means for its queues: one behaviour of the kernel
//! or of the ring for each test.
//!
//! Owns: what these tests share. A behaviour that this kernel does not have is skipped, and said so
//! on standard error.

mod attach;
mod choices;
mod closing;
mod completion;
mod deferred;
mod issuer;
mod memory;
mod polling;
mod registered_only;
mod resize;
mod restrictions;
mod sizes;
mod sqpoll;
mod submission;
mod wide;

use std::{
    os::fd::{FromRawFd, OwnedFd},
    time::Duration,
};

use annulus_ring::{
    Builder, CqeShape, Ring, SetupError, SqFull, SqeShape,
    abi::{Cqe, NopFlags, Opcode, Sqe},
    op::Nop,
};

use crate::support::{skip, wait};

/// How long something that must happen may take.
const PATIENCE_NS: u64 = Duration::from_secs(20).as_nanos() as u64;

fn small() -> Builder {
    Ring::builder().entries(8)
}

/// The refusal of a ring that must not be made.
fn refusal<S: SqeShape, C: CqeShape>(result: Result<Ring<S, C>, SetupError>) -> SetupError {
    match result {
        Ok(ring) => panic!("{ring:?} was made"),
        Err(refusal) => refusal,
    }
}

/// Pushes a NOP into a ring of any shape.
fn nop<S: SqeShape, C: CqeShape>(ring: &mut Ring<S, C>, user_data: u64) -> Result<(), SqFull> {
    // SAFETY: a NOP borrows no memory.
    unsafe { ring.push(&Nop, user_data) }
}

/// A NOP that completes with two more words.
fn wide_nop(user_data: u64, extra: [u64; 2]) -> Sqe {
    let op_flags = NopFlags::CQE32.bits();
    let [off, addr] = extra;
    Sqe { opcode: Opcode::NOP, user_data, op_flags, off, addr, ..Sqe::default() }
}

/// Whether this kernel's NOP can post a wide completion (6.18); says so if not.
fn has_wide_nops() -> bool {
    let mut ring: Ring<Sqe, annulus_ring::abi::Cqe32> = small().build_as().unwrap();
    // SAFETY: a NOP borrows no memory.
    unsafe { ring.push_sqe(&wide_nop(0, [0; 2])) }.unwrap();
    wait(&mut ring, 1, None);
    let has = ring.completions().next().unwrap().cqe.res == 0;
    if !has {
        skip("this kernel's NOP cannot post 32 bytes");
    }
    has
}

/// Submits, and waits for the next completion.
fn next<S: SqeShape, C: CqeShape>(ring: &mut Ring<S, C>) -> C {
    for _ in 0..2 {
        if let Some(cqe) = ring.completions().next() {
            return cqe;
        }
        wait(ring, 1, Some(PATIENCE_NS));
    }
    ring.completions().next().expect("no completion within 20 s")
}

/// One NOP goes round.
fn works<S: SqeShape, C: CqeShape>(ring: &mut Ring<S, C>) {
    nop(ring, 4711).unwrap();
    let cqe = next(ring);
    assert_eq!((cqe.cqe().user_data, cqe.cqe().res), (4711, 0));
}

/// NOPs go through all places of both queues three times, in order.
fn goes_round<S: SqeShape, C: CqeShape>(ring: &mut Ring<S, C>) {
    let entries = u64::from(ring.params().sq_entries);
    for round in 0..3 {
        for index in 0..entries {
            nop(ring, round << 32 | index).unwrap();
        }
        assert_eq!(nop(ring, 0), Err(SqFull));
        assert_eq!(ring.submit_and_wait(entries as u32, None), Ok(entries as u32));
        let seen: Vec<Cqe> = ring.completions().map(|cqe| *cqe.cqe()).collect();
        assert!(seen.iter().map(|cqe| cqe.user_data).eq((0..entries).map(|it| round << 32 | it)));
        assert!(seen.iter().all(|cqe| cqe.res == 0));
    }
    assert_eq!((ring.sq_dropped(), ring.cq_lost(), ring.overflowed()), (0, 0, false));
}

/// Both ends of a pipe, the one to read from first.
fn pipe() -> [OwnedFd; 2] {
    let mut ends = [-1; 2];
    // SAFETY: room for the two descriptors that the call writes.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: the call gave both descriptors to this test.
    ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
