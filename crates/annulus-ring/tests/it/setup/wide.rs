//! Entries of other sizes. Mirrors nop32, nop32-overflow, cq-peek-batch-mixed, sqe-mixed-nop and
//! sqe-mixed-bad-wrap of liburing.

use std::os::fd::AsRawFd;

use annulus_ring::{
    Cause, CqeMixed, Op, Ring, SqeMixed, Target,
    abi::{Cqe, Cqe32, CqeFlags, NopFlags, SetupFlags, Sqe, Sqe128, UringCmdFlags},
    op::{Cmd80, Nop128, Read},
};

use super::{goes_round, has_wide_nops, next, nop, refusal, small, wide_nop, works};
use crate::support::skip;

type Wide = Ring<Sqe, Cqe32>;
type Mixed = Ring<Sqe, CqeMixed>;

/// A ring with completions of both sizes, if this kernel has such a thing.
fn mixed(cq_entries: u32) -> Option<Mixed> {
    match small().cq_entries(cq_entries).build_as() {
        Ok(ring) => Some(ring),
        Err(refusal) => {
            assert_eq!(refusal.cause(), Cause::TooOld, "{refusal}");
            skip("this kernel has no completions of mixed sizes");
            None
        }
    }
}

fn push(ring: &mut Ring<Sqe, impl annulus_ring::CqeShape>, sqe: &Sqe) {
    // SAFETY: NOPs borrow no memory.
    unsafe { ring.push_sqe(sqe) }.unwrap();
}

fn words(user_data: u64) -> [u64; 2] {
    [user_data ^ 0xaaaa_aaaa_aaaa_aaaa, !user_data]
}

#[test]
fn a_wide_completion_carries_two_more_words() {
    if !has_wide_nops() {
        return;
    }
    let mut ring: Wide = small().build_as().unwrap();
    for user_data in 0..50 {
        push(&mut ring, &wide_nop(user_data, words(user_data)));
        let cqe = next(&mut ring);
        assert_eq!((cqe.cqe.user_data, cqe.cqe.res, cqe.extra), (user_data, 0, words(user_data)));
    }
}

#[test]
fn an_ordinary_completion_in_a_wide_queue_carries_zeros() {
    let mut ring: Wide = small().build_as().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::CQE32));
    for user_data in 0..100 {
        nop(&mut ring, user_data).unwrap();
        let cqe = next(&mut ring);
        assert_eq!((cqe.cqe.user_data, cqe.extra), (user_data, [0; 2]));
    }
}

#[test]
fn a_wide_completion_is_refused_in_a_narrow_queue() {
    if !has_wide_nops() {
        return;
    }
    let mut ring = small().build().unwrap();
    push(&mut ring, &wide_nop(1, [1, 2]));
    assert_eq!(next(&mut ring).res, -libc::EINVAL);
    works(&mut ring);
}

#[test]
fn an_overflow_of_wide_completions_keeps_their_words_and_their_order() {
    if !has_wide_nops() {
        return;
    }
    let mut ring: Wide = small().cq_entries(8).build_as().unwrap();
    for user_data in 0..40 {
        push(&mut ring, &wide_nop(user_data, words(user_data)));
        assert_eq!(ring.submit(), Ok(1));
    }
    assert!(ring.overflowed());
    for user_data in 0..40 {
        if ring.cq_ready() == 0 {
            ring.flush().unwrap();
        }
        let cqe = ring.completions().next().unwrap();
        assert_eq!((cqe.cqe.user_data, cqe.extra), (user_data, words(user_data)));
    }
    assert_eq!((ring.overflowed(), ring.cq_lost()), (false, 0));
}

#[test]
fn wide_submissions_and_wide_completions_go_together_and_apart() {
    goes_round(&mut small().build_as::<Sqe128, Cqe32>().unwrap());
    goes_round(&mut small().build_as::<Sqe128, Cqe>().unwrap());
    goes_round(&mut small().build_as::<Sqe, Cqe32>().unwrap());
    if let Some(mut ring) = mixed(64) {
        goes_round(&mut ring);
    }
}

#[test]
fn a_typed_operation_fills_the_first_half_of_a_wide_entry() {
    let file = std::fs::File::open("/proc/self/comm").unwrap();
    let mut ring: Ring<Sqe128> = small().build_as().unwrap();
    for _ in 0..20 {
        let mut bytes = [0_u8; 16];
        let target = Target::Fd(file.as_raw_fd());
        let read = Read { target, addr: bytes.as_mut_ptr(), len: 16, offset: 0 };
        // SAFETY: `bytes` stay until the completion, which is awaited below.
        unsafe { ring.push(&read, 5) }.unwrap();
        let count = Read::decode(&next(&mut ring)).unwrap();
        assert!(count > 0 && bytes[count as usize - 1] == b'\n');
    }
}

#[test]
fn a_typed_operation_of_128_bytes_reaches_the_kernel_among_others() {
    let file = std::fs::File::open("/proc/self/comm").unwrap();
    let mut ring: Ring<Sqe128> = small().build_as().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let flags = UringCmdFlags::EMPTY;
    let op = Cmd80 { target, command: 1, addr: 0, len: 0, flags, buf_index: 0, data: [1; 80] };
    for user_data in 0..20 {
        // SAFETY: the file takes no commands.
        unsafe { ring.push_wide(&op, user_data) }.unwrap();
        nop(&mut ring, 100 + user_data).unwrap();
        let command = next(&mut ring);
        assert_eq!((command.user_data, command.res), (user_data, -libc::EOPNOTSUPP));
        assert_eq!(next(&mut ring).user_data, 100 + user_data);
    }
}

#[test]
fn a_wide_entry_is_all_zero_when_its_place_is_used_again() {
    let mut ring: Ring<Sqe128> = Ring::builder().entries(2).build_as().unwrap();
    for _ in 0..6 {
        // SAFETY: it stays a NOP, which borrows no memory.
        let entry = unsafe { ring.vacant() }.unwrap();
        assert_eq!((entry.sqe, entry.cmd_rest), (Sqe::default(), [0; 64]));
        entry.cmd_rest = [0xff; 64];
        assert_eq!(next(&mut ring).res, 0);
    }
}

#[test]
fn both_sizes_come_in_the_order_of_their_requests() {
    let Some(mut ring) = mixed(16) else { return };
    for round in 0..100 {
        for user_data in 0..6 {
            let user_data = round * 6 + user_data;
            if user_data % 3 == 1 {
                nop(&mut ring, user_data).unwrap();
            } else {
                push(&mut ring, &wide_nop(user_data, words(user_data)));
            }
        }
        assert_eq!(ring.submit_and_wait(6, None), Ok(6));
        for (cqe, user_data) in ring.completions().zip(round * 6..) {
            assert_eq!((cqe.cqe.user_data, cqe.cqe.res), (user_data, 0));
            let extra = (user_data % 3 != 1).then(|| words(user_data));
            assert_eq!(cqe.extra, extra, "{user_data}");
            assert_eq!(cqe.cqe.flags.contains(CqeFlags::F_32), extra.is_some());
        }
        assert_eq!(ring.cq_ready(), 0);
    }
}

// IORING_CQE_F_SKIP
#[test]
fn a_filler_takes_a_slot_and_is_never_seen() {
    let Some(mut ring) = mixed(8) else { return };
    // The NOP that proved the ring took the first slot; six more leave the last one.
    (0..6).for_each(|user_data| nop(&mut ring, user_data).unwrap());
    assert_eq!(ring.submit_and_wait(6, None), Ok(6));
    assert_eq!(ring.advance(6), 6);
    push(&mut ring, &wide_nop(7, words(7)));
    assert_eq!(ring.submit(), Ok(1));
    assert_eq!(ring.cq_ready(), 3, "a filler and two halves");
    let seen: Vec<_> = ring.peeked().collect();
    assert_eq!((seen.len(), seen[0].cqe.user_data), (1, 7));
    assert_eq!(ring.completions().map(|cqe| cqe.extra).collect::<Vec<_>>(), [Some(words(7))]);
    assert_eq!(ring.cq_ready(), 0);
}

#[test]
fn advancing_over_mixed_sizes_counts_completions_and_not_slots() {
    let Some(mut ring) = mixed(64) else { return };
    for user_data in 0..4 {
        push(&mut ring, &wide_nop(user_data, words(user_data)));
    }
    assert_eq!(ring.submit_and_wait(4, None), Ok(4));
    assert_eq!(ring.advance(3), 3);
    assert_eq!(ring.peek().unwrap().cqe.user_data, 3);
}

#[test]
fn an_overflow_of_mixed_completions_keeps_sizes_words_and_order() {
    let Some(mut ring) = mixed(8) else { return };
    // Seven more than the NOP that proved the ring, so that it starts at the first slot and is full
    // without a filler: Linux 6.18 loses count of one that it puts where there is no room behind.
    (0..7).for_each(|user_data| nop(&mut ring, user_data).unwrap());
    assert_eq!(ring.submit_and_wait(7, None), Ok(7));
    assert_eq!(ring.advance(7), 7);
    for user_data in 0..30 {
        if user_data % 2 == 0 {
            push(&mut ring, &wide_nop(user_data, words(user_data)));
        } else {
            nop(&mut ring, user_data).unwrap();
        }
        assert_eq!(ring.submit(), Ok(1));
    }
    assert!(ring.overflowed());
    let mut all = Vec::new();
    for _ in 0..30 {
        all.extend(ring.completions().map(|cqe| (cqe.cqe.user_data, cqe.extra)));
        ring.flush().unwrap();
    }
    all.extend(ring.completions().map(|cqe| (cqe.cqe.user_data, cqe.extra)));
    let expected = (0..30).map(|it| (it, (it % 2 == 0).then(|| words(it))));
    assert_eq!(all, expected.collect::<Vec<_>>());
}

#[test]
fn submissions_of_both_sizes_are_made_or_refused_by_name() {
    let mut ring: Ring<SqeMixed> = match small().build_as() {
        Ok(ring) => ring,
        Err(refusal) => {
            assert_eq!(refusal.cause(), Cause::TooOld, "{refusal}");
            let text = refusal.to_string();
            assert!(text.contains("SQE_MIXED") && text.contains("6.19"), "{text}");
            skip("this kernel has no submissions of mixed sizes");
            return;
        }
    };
    for user_data in 0..100 {
        if user_data % 3 == 0 {
            nop(&mut ring, user_data).unwrap();
        } else {
            // SAFETY: NOPs borrow no memory.
            unsafe { ring.push_wide(&Nop128 { flags: NopFlags::EMPTY }, user_data) }.unwrap();
        }
        let cqe = next(&mut ring);
        assert_eq!((cqe.user_data, cqe.res), (user_data, 0));
    }
}

#[test]
fn a_kernel_that_lacks_a_size_is_named_with_the_version_that_has_it() {
    use crate::support::{Script, Scripted};

    let refuse = |_, params: &annulus_ring::abi::Params| {
        let lacks = params.flags.contains(SetupFlags::CQE_MIXED);
        lacks.then_some(annulus_ring::abi::Errno(libc::EINVAL))
    };
    let (kernel, _) = Scripted::boxed(Script { refuse_setup: Some(refuse), ..Script::default() });
    let refusal = refusal(small().kernel(kernel).build_as::<Sqe, CqeMixed>());
    let text = refusal.to_string();
    assert!(text.contains("CQE_MIXED") && text.contains("6.18"), "{text}");
}
