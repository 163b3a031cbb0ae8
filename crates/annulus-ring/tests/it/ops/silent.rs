//! Requests that post no completion when they succeed, personalities, and drains. Mirrors skip-cqe,
//! defer and personality of liburing.

use std::io::Write as _;

use annulus_ring::{
    Kernel as _, Op as _, Ring, Target,
    abi::{Errno, Features, RegisterOp, TimeoutFlags},
    op::{Flagged, Nop, Timeout},
};

use super::{
    made::{HERE, SHORT, assert_silence, fd, file, read, results, sorted, write},
    pipe, push, ring, run,
};

/// A ring that can be silent, which every one since 5.17 can.
fn silent_ring() -> Ring {
    let ring = ring();
    assert!(ring.capabilities().has(Features::CQE_SKIP), "this suite runs on 6.1 and later");
    ring
}

#[test]
fn a_silent_success_posts_nothing() {
    let mut ring = silent_ring();
    let file = file(b"");
    let mut buffer = [0; 5];
    let mut chain = ring.chain(3).unwrap();
    // SAFETY: the bytes are a constant.
    unsafe { chain.then(&write(fd(&file), b"quiet", 0).flagged().silent(), 1) }.unwrap();
    // SAFETY: a NOP has no memory.
    unsafe { chain.then(&Nop.flagged().silent(), 2) }.unwrap();
    // SAFETY: the buffer outlives the completion.
    unsafe { chain.then(&read(fd(&file), &mut buffer, 0), 3) }.unwrap();
    chain.finish();
    assert_eq!(results(&mut ring, 1), [(3, 5)]);
    assert_eq!(&buffer, b"quiet");
    assert_silence(&mut ring);
}

#[test]
fn a_silent_failure_is_heard() {
    let mut ring = silent_ring();
    push(&mut ring, &read(Target::Fd(-1), &mut [0; 1], 0).flagged().silent(), 1);
    assert_eq!(results(&mut ring, 1), [(1, -libc::EBADF)]);
    assert_silence(&mut ring);
}

#[test]
fn the_last_entry_speaks_for_a_chain_of_silent_ones() {
    let mut ring = silent_ring();
    let mut chain = ring.chain(3).unwrap();
    for user_data in 1..=3 {
        let nop = Nop.flagged();
        let nop = if user_data < 3 { nop.silent() } else { nop };
        // SAFETY: a NOP has no memory.
        unsafe { chain.then(&nop, user_data) }.unwrap();
    }
    chain.finish();
    assert_eq!(results(&mut ring, 1), [(3, 0)]);
    assert_silence(&mut ring);
}

#[test]
fn a_silent_entry_that_breaks_a_chain_silences_what_it_cancels() {
    let mut ring = silent_ring();
    let mut chain = ring.chain(3).unwrap();
    let bad = read(Target::Fd(-1), &mut [0; 1], 0);
    // SAFETY: a read of no file writes no memory.
    unsafe { chain.then(&bad.flagged().silent(), 1) }.unwrap();
    for user_data in 2..=3 {
        // SAFETY: a NOP has no memory.
        unsafe { chain.then(&Nop, user_data) }.unwrap();
    }
    chain.finish();
    assert_eq!(results(&mut ring, 1), [(1, -libc::EBADF)]);
    assert_silence(&mut ring);
}

#[test]
fn an_expired_timeout_is_silent_only_if_expiry_is_success() {
    let mut ring = silent_ring();
    let timer = |flags| Timeout { spec: &SHORT, count: 0, flags };
    push(&mut ring, &timer(TimeoutFlags::EMPTY).flagged().silent(), 1);
    assert_eq!(results(&mut ring, 1), [(1, -libc::ETIME)]);
    push(&mut ring, &timer(TimeoutFlags::ETIME_SUCCESS).flagged().silent(), 2);
    push(&mut ring, &timer(TimeoutFlags::EMPTY), 3);
    assert_eq!(results(&mut ring, 1), [(3, -libc::ETIME)], "as long as the silent one");
    assert_silence(&mut ring);
}

#[test]
fn a_drain_on_a_ring_that_was_silent_is_refused() {
    let mut ring = silent_ring();
    assert_eq!(run(&mut ring, &Nop.flagged().drained()), Ok(()));
    push(&mut ring, &Nop.flagged().silent(), 1);
    let refused = Err(Errno(libc::EOPNOTSUPP));
    assert_eq!(run(&mut ring, &Nop.flagged().drained()), refused);
    let both: Flagged<Nop> = Nop.flagged().drained().silent();
    assert_eq!(run(&mut ring, &both), refused);
    assert!(both.check().is_err());
}

#[test]
fn a_drained_request_comes_after_everything_before_it_and_before_everything_behind_it() {
    let mut ring = ring();
    let (reader, mut writer) = pipe();
    let mut buffer = [0; 1];
    push(&mut ring, &read(fd(&reader), &mut buffer, HERE), 1);
    push(&mut ring, &Nop, 2);
    push(&mut ring, &Nop.flagged().drained(), 3);
    push(&mut ring, &Nop, 4);
    push(&mut ring, &Nop.flagged().drained(), 5);
    assert_eq!(results(&mut ring, 1), [(2, 0)]);
    assert_silence(&mut ring);
    writer.write_all(b"1").unwrap();
    assert_eq!(results(&mut ring, 4), [(1, 1), (3, 0), (4, 0), (5, 0)]);
}

#[test]
fn a_drain_with_nothing_before_it_waits_for_nothing() {
    let mut ring = ring();
    for _ in 0..10 {
        assert_eq!(run(&mut ring, &Nop.flagged().drained()), Ok(()));
    }
}

#[test]
fn a_drain_waits_for_a_request_on_a_worker() {
    let mut ring = ring();
    let file = file(b"12345678");
    let mut buffer = [0; 8];
    for _ in 0..50 {
        push(&mut ring, &read(fd(&file), &mut buffer, 0).flagged().on_worker(), 1);
        push(&mut ring, &Nop.flagged().drained(), 2);
        assert_eq!(results(&mut ring, 2), [(1, 8), (2, 0)]);
    }
}

#[test]
fn a_request_on_a_worker_has_the_same_result() {
    let mut ring = ring();
    let file = file(b"12345678");
    let mut buffer = [0; 8];
    let read = read(fd(&file), &mut buffer, 4);
    assert_eq!(run(&mut ring, &read.flagged().on_worker()), Ok(4));
    assert_eq!(&buffer[..4], b"5678");
    assert_eq!(run(&mut ring, &Nop.flagged().on_worker()), Ok(()));
}

#[test]
fn a_personality_is_used_by_its_number_until_it_is_unregistered() {
    const PERSONALITY: RegisterOp = RegisterOp(9);
    const UNREGISTER_PERSONALITY: RegisterOp = RegisterOp(10);
    let mut ring = ring();
    let file = file(b"mine");
    let mut buffer = [0; 4];
    let read = read(fd(&file), &mut buffer, 0);
    // SAFETY: the call takes no memory.
    let id = unsafe { ring.kernel().register(PERSONALITY, std::ptr::null_mut(), 0) }.unwrap();
    let own = read.flagged().acting_as(id as u16);
    assert_eq!(run(&mut ring, &own), Ok(4));
    let nobody = read.flagged().acting_as(id as u16 + 7);
    assert_eq!(run(&mut ring, &nobody), Err(Errno(libc::EINVAL)));
    // SAFETY: the call takes no memory.
    let gone = unsafe { ring.kernel().register(UNREGISTER_PERSONALITY, std::ptr::null_mut(), id) };
    assert_eq!(gone, Ok(0));
    assert_eq!(run(&mut ring, &own), Err(Errno(libc::EINVAL)));
}

#[test]
fn flags_of_two_submitters_are_sorted_apart_by_their_user_data() {
    let mut ring = silent_ring();
    for user_data in 0..20 {
        if user_data % 2 == 0 {
            push(&mut ring, &Nop.flagged().silent(), user_data);
        } else {
            push(&mut ring, &Nop, user_data);
        }
    }
    let odd: Vec<_> = (0..20).filter(|user_data| user_data % 2 == 1).map(|ud| (ud, 0)).collect();
    assert_eq!(sorted(&mut ring, 10), odd);
    assert_silence(&mut ring);
}
