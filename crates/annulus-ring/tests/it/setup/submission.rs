//! How entries get to the kernel. Mirrors drop-submit, submit-link-fail, submit-reuse and
//! submit-and-wait of liburing.

use std::{io::Write as _, os::fd::AsRawFd};

use annulus_ring::{
    Ring, SqFull,
    abi::{Opcode, SetupFlags, Sqe, SqeFlags, Timespec},
};

use super::{next, nop, pipe, small, works};
use crate::support::{self, Script, Scripted, push};

/// An opcode that no kernel has.
fn bad(user_data: u64) -> Sqe {
    Sqe { opcode: Opcode(255), user_data, ..Sqe::default() }
}

fn results(ring: &mut Ring) -> Vec<(u64, i32)> {
    ring.completions().map(|cqe| (cqe.user_data, cqe.res)).collect()
}

#[test]
fn a_bad_entry_does_not_stop_those_behind_it() {
    let mut ring = small().build().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::SUBMIT_ALL));
    for (user_data, entry) in [support::nop(0), bad(1), support::nop(2)].into_iter().enumerate() {
        push(&mut ring, &Sqe { user_data: user_data as u64, ..entry }).unwrap();
    }
    assert_eq!(ring.submit_and_wait(3, None), Ok(3));
    assert_eq!(results(&mut ring), [(0, 0), (1, -libc::EINVAL), (2, 0)]);
}

#[test]
fn without_submit_all_those_behind_a_bad_entry_wait_for_the_next_submit() {
    let mut ring = small().submit_all(false).build().unwrap();
    assert!(!ring.capabilities().setup().contains(SetupFlags::SUBMIT_ALL));
    for entry in [support::nop(0), bad(1), support::nop(2)] {
        push(&mut ring, &entry).unwrap();
    }
    assert_eq!(ring.submit(), Ok(2));
    assert_eq!(ring.sq_pending(), 1);
    assert_eq!(ring.submit_and_wait(3, None), Ok(1));
    assert_eq!(results(&mut ring), [(0, 0), (1, -libc::EINVAL), (2, 0)]);
}

#[test]
fn a_bad_entry_in_a_chain_cancels_all_of_it_and_nothing_else() {
    for bad_at in 0..4 {
        let mut ring = small().build().unwrap();
        for index in 0..4 {
            let entry = if index == bad_at { bad(index) } else { support::nop(index) };
            let flags = if index < 3 { SqeFlags::IO_LINK } else { SqeFlags::EMPTY };
            push(&mut ring, &Sqe { flags, ..entry }).unwrap();
        }
        push(&mut ring, &support::nop(9)).unwrap();
        assert_eq!(ring.submit_and_wait(5, None), Ok(5));
        let mut all = results(&mut ring);
        all.sort_unstable();
        let expected = (0..4).map(|index| match index {
            _ if index == bad_at => (index, -libc::EINVAL),
            _ => (index, -libc::ECANCELED),
        });
        assert_eq!(all, expected.chain([(9, 0)]).collect::<Vec<_>>(), "bad at {bad_at}");
    }
}

#[test]
fn what_an_entry_points_to_may_be_reused_after_the_submit() {
    let [reader, writer] = pipe();
    let mut ring = small().build().unwrap();
    let (mut right, mut wrong) = ([0_u8; 4], [0_u8; 4]);
    let mut vector = libc::iovec { iov_base: right.as_mut_ptr().cast(), iov_len: 4 };
    let readv = Sqe {
        opcode: Opcode::READV,
        fd: reader.as_raw_fd(),
        addr: (&raw const vector) as u64,
        len: 1,
        off: u64::MAX,
        user_data: 1,
        ..Sqe::default()
    };
    push(&mut ring, &readv).unwrap();
    assert_eq!(ring.submit(), Ok(1));
    assert_eq!(ring.cq_ready(), 0, "nothing to read yet");
    vector.iov_base = wrong.as_mut_ptr().cast();
    // SAFETY: keeps the compiler from dropping a store that only the kernel could see.
    unsafe { (&raw const vector).read_volatile() };
    std::fs::File::from(writer).write_all(b"data").unwrap();
    assert_eq!(next(&mut ring).res, 4);
    assert_eq!((&right, &wrong), (b"data", &[0; 4]));
}

#[test]
fn a_timeout_may_be_reused_after_the_submit() {
    let mut ring = small().build().unwrap();
    let mut time = Timespec { sec: 0, nsec: 1_000_000 };
    let addr = (&raw const time) as u64;
    let timeout = Sqe { opcode: Opcode::TIMEOUT, addr, len: 1, user_data: 1, ..Sqe::default() };
    push(&mut ring, &timeout).unwrap();
    assert_eq!(ring.submit(), Ok(1));
    time.sec = 3600;
    // SAFETY: keeps the compiler from dropping a store that only the kernel could see.
    unsafe { (&raw const time).read_volatile() };
    assert_eq!(next(&mut ring).res, -libc::ETIME);
}

#[test]
fn submitting_and_waiting_is_one_call_and_says_how_many_were_taken() {
    let (kernel, script) = Scripted::boxed(Script::default());
    let mut ring = small().kernel(kernel).build().unwrap();
    for count in 1..=8 {
        (0..count).for_each(|user_data| nop(&mut ring, user_data).unwrap());
        let before = script.borrow().enters;
        assert_eq!(ring.submit_and_wait(count as u32, None), Ok(count as u32));
        assert_eq!(script.borrow().enters, before + 1);
        assert_eq!(ring.advance(usize::MAX), count as usize);
    }
}

#[test]
fn reserved_entries_go_to_the_kernel_in_their_order_whatever_the_order_of_filling() {
    let mut ring = small().build().unwrap();
    // SAFETY: NOPs borrow no memory.
    let mut chain = unsafe { ring.reserve(4) }.unwrap();
    for index in [2, 0, 3, 1] {
        chain.entry(index).user_data = u64::from(index);
        chain.entry(index).flags = if index < 3 { SqeFlags::IO_LINK } else { SqeFlags::EMPTY };
    }
    chain.push();
    assert_eq!(ring.submit_and_wait(4, None), Ok(4));
    assert_eq!(results(&mut ring), [(0, 0), (1, 0), (2, 0), (3, 0)]);
}

#[test]
fn a_reservation_that_is_dropped_submits_nothing() {
    let mut ring = small().build().unwrap();
    // SAFETY: nothing is pushed.
    let mut dropped = unsafe { ring.reserve(8) }.unwrap();
    dropped.entry(7).opcode = Opcode(255);
    drop(dropped);
    assert_eq!((ring.sq_pending(), ring.sq_space_left()), (0, 8));
    works(&mut ring);
    assert_eq!(ring.cq_ready(), 0);
}

#[test]
fn a_reservation_beyond_the_room_is_refused_whole() {
    let mut ring = small().build().unwrap();
    nop(&mut ring, 1).unwrap();
    // SAFETY: nothing is pushed.
    assert_eq!(unsafe { ring.reserve(8) }.map(drop), Err(SqFull));
    // SAFETY: nothing is pushed.
    assert_eq!(unsafe { ring.reserve(u32::MAX) }.map(drop), Err(SqFull));
    assert_eq!(ring.sq_pending(), 1);
    assert_eq!(next(&mut ring).user_data, 1);
    works(&mut ring);
}

#[test]
fn published_entries_are_taken_by_the_next_submit_and_only_once() {
    let mut ring = small().build().unwrap();
    nop(&mut ring, 1).unwrap();
    nop(&mut ring, 2).unwrap();
    assert_eq!(ring.publish(), 2);
    assert_eq!((ring.sq_pending(), ring.cq_ready()), (2, 0));
    nop(&mut ring, 3).unwrap();
    assert_eq!(ring.submit_and_wait(3, None), Ok(3));
    assert_eq!(results(&mut ring), [(1, 0), (2, 0), (3, 0)]);
    assert_eq!(ring.publish(), 0);
}

#[test]
fn an_index_array_makes_no_difference_to_the_order() {
    for no_sqarray in [false, true] {
        let mut ring = small().no_sqarray(no_sqarray).build().unwrap();
        let granted = ring.capabilities().setup().contains(SetupFlags::NO_SQARRAY);
        assert_eq!(granted, no_sqarray);
        super::goes_round(&mut ring);
    }
}
