//! Chains as entries: what is in the queue, and what is not.

use annulus_abi::{Opcode, Sqe, TimeoutFlags, Timespec};

use super::*;
use crate::op::{LinkTimeout, Nop};

const LONG: Timespec = Timespec { sec: 3600, nsec: 0 };
const LIMIT: LinkTimeout = LinkTimeout { spec: &LONG, flags: TimeoutFlags::EMPTY };
const LINK: SqeFlags = SqeFlags::IO_LINK;
const HARD: SqeFlags = SqeFlags::IO_HARDLINK;

fn ring(entries: u32) -> Ring {
    Ring::builder().entries(entries).build().unwrap()
}

/// Flags and user data of the `count` entries that were written from the tail on.
fn written(chain: &mut Chain<'_>, count: u32) -> Vec<(SqeFlags, u64)> {
    let entry = |at| {
        let sqe: &Sqe = chain.sq.ahead(at);
        (sqe.flags, sqe.user_data)
    };
    (0..count).map(entry).collect()
}

/// Writes NOPs, numbered from 1.
fn nops(chain: &mut Chain<'_>, count: u64) {
    for user_data in 1..=count {
        // SAFETY: a NOP has no memory.
        unsafe { chain.then(&Nop, user_data) }.unwrap();
    }
}

#[test]
fn every_entry_but_the_last_is_linked() {
    let mut ring = ring(8);
    let mut chain = ring.chain(3).unwrap();
    nops(&mut chain, 3);
    assert_eq!(written(&mut chain, 3), [(LINK, 1), (LINK, 2), (SqeFlags::EMPTY, 3)]);
    assert_eq!((chain.entries_left(), chain.finish()), (0, 3));
    assert_eq!(ring.sq_pending(), 3);
}

#[test]
fn links_that_an_operation_brings_itself_are_the_chains_business() {
    let mut ring = ring(8);
    let mut chain = ring.chain(2).unwrap();
    let op = Nop.flagged().linked().hard_linked().silent();
    // SAFETY: a NOP has no memory.
    unsafe { chain.then(&op, 1) }.unwrap();
    assert_eq!(written(&mut chain, 1), [(SqeFlags::CQE_SKIP_SUCCESS, 1)]);
}

#[test]
fn a_limit_stands_behind_its_operation_and_shares_its_link() {
    let mut ring = ring(8);
    let mut chain = ring.chain(4).unwrap();
    nops(&mut chain, 1);
    // SAFETY: the time is a constant.
    unsafe { chain.limit(&LIMIT, 2) }.unwrap();
    assert_eq!(written(&mut chain, 2), [(LINK, 1), (SqeFlags::EMPTY, 2)]);
    // SAFETY: a NOP has no memory.
    unsafe { chain.then_always(&Nop, 3) }.unwrap();
    assert_eq!(written(&mut chain, 3), [(LINK | HARD, 1), (HARD, 2), (SqeFlags::EMPTY, 3)]);
    assert_eq!(chain.sq.ahead(1).opcode, Opcode::LINK_TIMEOUT);
}

#[test]
fn a_limit_needs_an_operation_that_has_none() {
    let mut ring = ring(8);
    let mut chain = ring.chain(4).unwrap();
    // SAFETY: the time is a constant.
    let first = unsafe { chain.limit(&LIMIT, 1) };
    assert_eq!(first, Err(ChainError::NothingToLimit));
    nops(&mut chain, 1);
    // SAFETY: the time is a constant.
    unsafe { chain.limit(&LIMIT, 2) }.unwrap();
    // SAFETY: the time is a constant.
    let second = unsafe { chain.limit(&LIMIT, 3) };
    assert_eq!(second, Err(ChainError::NothingToLimit));
    assert_eq!(chain.finish(), 2);
}

#[test]
fn a_chain_that_is_not_finished_was_never_there() {
    let mut ring = ring(4);
    let mut chain = ring.chain(4).unwrap();
    nops(&mut chain, 3);
    assert_eq!((ring.sq_pending(), ring.sq_space_left()), (0, 4));
    assert_eq!(ring.submit(), Ok(0));
    // SAFETY: a NOP has no memory.
    unsafe { ring.push(&Nop, 9) }.unwrap();
    assert_eq!(ring.submit_and_wait(1, None), Ok(1));
    let cqe = ring.completions().next().unwrap();
    assert_eq!((cqe.user_data, cqe.res), (9, 0));
}

#[test]
fn a_chain_is_reserved_whole_or_not_at_all() {
    let mut ring = ring(4);
    assert_eq!(ring.chain(0).map(drop), Err(ChainError::Empty));
    assert_eq!(ring.chain(5).map(drop), Err(ChainError::TooLong { needed: 5, entries: 4 }));
    // SAFETY: a NOP has no memory.
    unsafe { ring.push(&Nop, 1) }.unwrap();
    assert_eq!(ring.chain(4).map(drop), Err(ChainError::Full { needed: 4, free: 3 }));
    assert_eq!(ring.sq_pending(), 1);
    ring.submit().unwrap();
    assert_eq!(ring.chain(4).map(drop), Ok(()));
}

#[test]
fn no_more_is_written_than_was_reserved() {
    let mut ring = ring(4);
    let mut chain = ring.chain(2).unwrap();
    nops(&mut chain, 2);
    // SAFETY: a NOP has no memory.
    let third = unsafe { chain.then(&Nop, 3) };
    assert_eq!(third, Err(ChainError::Complete { reserved: 2 }));
    assert_eq!(
        written(&mut chain, 2),
        [(LINK, 1), (SqeFlags::EMPTY, 2)],
        "the last one is not linked to what was refused"
    );
}

#[test]
fn chains_wrap_around_the_queue() {
    let mut ring = ring(4);
    for round in 0..40 {
        let mut chain = ring.chain(3).unwrap();
        nops(&mut chain, 3);
        assert_eq!(chain.finish(), 3);
        assert_eq!(ring.submit_and_wait(3, None), Ok(3), "round {round}");
        let results: Vec<_> = ring.completions().map(|cqe| (cqe.user_data, cqe.res)).collect();
        assert_eq!(results, [(1, 0), (2, 0), (3, 0)], "round {round}");
    }
}

#[test]
fn every_error_has_its_kind_and_says_what_to_do() {
    let full = ChainError::Full { needed: 4, free: 3 };
    assert_eq!(full.to_string(), "a chain of 4 entries does not fit now: 3 are free; submit");
    assert_eq!(io::Error::from(full).kind(), io::ErrorKind::WouldBlock);
    let long = ChainError::TooLong { needed: 5, entries: 4 };
    assert_eq!(long.to_string(), "a chain of 5 entries does not fit a queue of 4");
    for error in
        [long, ChainError::Empty, ChainError::Complete { reserved: 2 }, ChainError::NothingToLimit]
    {
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput, "{error}");
    }
}
