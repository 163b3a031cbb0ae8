//! How completions get back. Mirrors cq-ready, cq-peek-batch, cq-full and cq-overflow of liburing.

use annulus_ring::{Ring, abi::Cqe};

use super::{nop, small, works};

fn completed(ring: &mut Ring, user_data: core::ops::Range<u64>) {
    for user_data in user_data {
        nop(ring, user_data).unwrap();
        assert_eq!(ring.submit(), Ok(1));
    }
}

fn seen(cqes: impl Iterator<Item = Cqe>) -> Vec<u64> {
    cqes.map(|cqe| cqe.user_data).collect()
}

#[test]
fn the_number_of_ready_completions_is_exact_at_every_step() {
    let mut ring = small().build().unwrap();
    assert_eq!(ring.cq_ready(), 0);
    for count in 1..=8 {
        completed(&mut ring, 0..1);
        assert_eq!(ring.cq_ready(), count);
    }
    for left in (0..8).rev() {
        assert_eq!(ring.advance(1), 1);
        assert_eq!(ring.cq_ready(), left);
    }
}

#[test]
fn a_peeked_batch_is_in_order_and_stays() {
    let mut ring = small().build().unwrap();
    assert_eq!(ring.peeked().count(), 0);
    for round in 0..20 {
        completed(&mut ring, round * 4..round * 4 + 4);
        let expected: Vec<_> = (round * 4..round * 4 + 4).collect();
        assert_eq!(seen(ring.peeked()), expected);
        assert_eq!(seen(ring.peeked()), expected, "it stays");
        assert_eq!(ring.peek().unwrap().user_data, round * 4);
        assert_eq!(seen(ring.completions()), expected);
    }
}

#[test]
fn a_batch_that_was_peeked_at_is_reaped_by_its_number() {
    let mut ring = small().build().unwrap();
    completed(&mut ring, 0..6);
    assert_eq!(ring.peeked().take(4).count(), 4);
    assert_eq!(ring.advance(4), 4);
    assert_eq!(seen(ring.peeked()), [4, 5]);
    assert_eq!(ring.advance(100), 2, "no more than there are");
    assert_eq!(ring.advance(1), 0);
}

#[test]
fn a_peek_sees_what_came_after_the_peek_before() {
    let mut ring = small().build().unwrap();
    completed(&mut ring, 0..2);
    assert_eq!(ring.peeked().count(), 2);
    completed(&mut ring, 2..3);
    assert_eq!(ring.peeked().count(), 3);
}

#[test]
fn a_queue_that_is_exactly_full_has_not_overflowed() {
    let mut ring = small().cq_entries(8).build().unwrap();
    completed(&mut ring, 0..8);
    assert_eq!((ring.cq_ready(), ring.overflowed()), (8, false));
    completed(&mut ring, 8..9);
    assert_eq!((ring.cq_ready(), ring.overflowed()), (8, true));
    assert_eq!(ring.cq_lost(), 0);
}

#[test]
fn an_overflow_is_flushed_by_a_call_that_submits_nothing() {
    let mut ring = small().cq_entries(8).build().unwrap();
    completed(&mut ring, 0..12);
    assert!(ring.wants_enter());
    assert_eq!(seen(ring.completions()), (0..8).collect::<Vec<_>>());
    assert_eq!(ring.cq_ready(), 0, "the rest is not in the queue yet");
    nop(&mut ring, 99).unwrap();
    ring.flush().unwrap();
    assert_eq!(seen(ring.completions()), [8, 9, 10, 11]);
    assert!(!ring.overflowed());
    assert_eq!(ring.sq_pending(), 1, "what was pushed stays pushed");
    assert_eq!(ring.submit(), Ok(1));
    assert_eq!(seen(ring.completions()), [99]);
}

#[test]
fn an_overflow_that_does_not_fit_comes_in_several_flushes() {
    let mut ring = small().cq_entries(8).build().unwrap();
    completed(&mut ring, 0..30);
    let mut all = Vec::new();
    let mut flushes = 0;
    while all.len() < 30 {
        all.extend(seen(ring.completions()));
        ring.flush().unwrap();
        flushes += 1;
    }
    assert!(all.into_iter().eq(0..30));
    assert!(flushes >= 3, "{flushes}");
    works(&mut ring);
}

#[test]
fn a_flush_with_nothing_to_do_changes_nothing() {
    let mut ring = small().build().unwrap();
    ring.flush().unwrap();
    assert_eq!((ring.cq_ready(), ring.sq_pending()), (0, 0));
    works(&mut ring);
}

#[test]
fn everything_that_a_ring_gives_can_be_printed() {
    let mut ring = small().build().unwrap();
    completed(&mut ring, 0..2);
    assert!(format!("{ring:?}").contains("sq_entries: 8"));
    assert_eq!(format!("{:?}", ring.peeked()), "Peeked { left: Some(2) }");
    assert_eq!(format!("{:?}", ring.completions()), "Completions { left: Some(2) }");
    // SAFETY: nothing is pushed.
    let reserved = unsafe { ring.reserve(3) }.unwrap();
    assert_eq!(format!("{reserved:?}"), "Reservation { count: 3, .. }");
}
