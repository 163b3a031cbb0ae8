//! How large the queues are. Mirrors nop-all-sizes, cq-size, sq-full and sq-space_left of liburing.

use std::io;

use annulus_ring::{
    Cause, Ring, SqFull,
    abi::{Cqe32, Params, SetupFlags, Sqe128},
};

use super::{goes_round, nop, refusal, small, works};

#[test]
fn rings_of_wide_entries_of_every_size_fill_and_drain() {
    for shift in 0..=11 {
        let builder = Ring::builder().entries(1 << shift);
        let mut ring: Ring<Sqe128, Cqe32> = builder.build_as().unwrap();
        let granted = ring.params().sq_entries;
        if granted < 1 << shift && memory_is_limited() {
            eprintln!("skipped: {granted} of {} entries: other tests have the memory", 1 << shift);
        } else {
            assert_eq!(granted, 1 << shift);
        }
        goes_round(&mut ring);
    }
}

/// Whether what all rings of this user lock is bounded, so that large ones are halved.
fn memory_is_limited() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is valid for the length of the call.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    asked == 0 && limit.rlim_cur != libc::RLIM_INFINITY
}

#[test]
fn entries_are_rounded_up_to_a_power_of_two() {
    for (asked, granted) in [(1, 1), (3, 4), (5, 8), (129, 256)] {
        let mut ring = Ring::new(asked).unwrap();
        assert_eq!(ring.params().sq_entries, granted);
        goes_round(&mut ring);
    }
}

#[test]
fn the_completion_queue_has_the_size_that_was_asked_for_rounded_up() {
    for (asked, granted) in [(8, 8), (9, 16), (100, 128)] {
        let mut ring = small().cq_entries(asked).build().unwrap();
        assert_eq!((ring.params().sq_entries, ring.params().cq_entries), (8, granted));
        goes_round(&mut ring);
    }
}

#[test]
fn fewer_completions_than_submissions_are_raised_to_them() {
    let ring = Ring::builder().entries(64).cq_entries(2).build().unwrap();
    assert_eq!(ring.params().cq_entries, 64);
}

#[test]
fn the_kernel_refuses_fewer_completions_than_submissions() {
    let params = Params { cq_entries: 2, flags: SetupFlags::CQSIZE, ..Params::default() };
    assert_eq!(refusal(Ring::with_params(64, &params)).errno().0, libc::EINVAL);
}

#[test]
fn without_a_wish_the_kernel_makes_twice_as_many_completions() {
    let ring = Ring::with_params(16, &Params::default()).unwrap();
    assert_eq!((ring.params().sq_entries, ring.params().cq_entries), (16, 32));
}

#[test]
fn a_ring_that_is_too_large_is_clamped_to_the_kernels_limits() {
    let builder = Ring::builder().entries(1 << 20).cq_entries(1 << 24);
    let mut ring = builder.build().unwrap();
    assert_eq!((ring.params().sq_entries, ring.params().cq_entries), (32768, 65536));
    assert!(ring.capabilities().shrunk());
    works(&mut ring);
}

#[test]
fn a_ring_that_is_too_large_is_refused_with_the_limits_if_it_must_not_be_clamped() {
    let refused = [
        refusal(Ring::builder().entries(32769).clamp(false).build()),
        refusal(Ring::builder().entries(8).cq_entries(65537).clamp(false).build()),
        refusal(Ring::builder().entries(u32::MAX).clamp(false).build()),
    ];
    for refusal in refused {
        assert_eq!(refusal.cause(), Cause::Size, "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains("32768") && text.contains("65536"), "{text}");
        assert_eq!(io::Error::from(refusal).kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_ring_without_entries_is_refused_by_name() {
    assert_eq!(refusal(Ring::new(0)).cause(), Cause::Size);
}

#[test]
fn the_space_left_is_exact_at_every_step() {
    let mut ring = small().build().unwrap();
    for round in 0..5 {
        for left in (0..8).rev() {
            nop(&mut ring, round).unwrap();
            assert_eq!((ring.sq_space_left(), ring.sq_pending()), (left, 8 - left));
        }
        assert_eq!(ring.submit(), Ok(8));
        assert_eq!((ring.sq_space_left(), ring.sq_pending()), (8, 0));
        assert_eq!(ring.advance(8), 8);
    }
}

#[test]
fn a_full_queue_says_so_in_words_and_as_an_error_to_retry() {
    let mut ring = Ring::new(1).unwrap();
    nop(&mut ring, 0).unwrap();
    let full = nop(&mut ring, 1).unwrap_err();
    assert_eq!(full, SqFull);
    assert_eq!(full.to_string(), "the submission queue is full");
    assert_eq!(io::Error::from(full).kind(), io::ErrorKind::WouldBlock);
    assert_eq!(ring.submit(), Ok(1));
    assert_eq!(nop(&mut ring, 1), Ok(()));
}
