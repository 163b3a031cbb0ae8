//! Filling and draining both queues: sizes, full, overflow. Mirrors nop-all-sizes, sq-full,
//! sq-space_left, cq-ready and cq-overflow of liburing.

use annulus_ring::{Ring, SqFull, abi::Features};

use crate::support::{nop, push};

#[test]
fn every_ring_size_fills_and_drains_three_times() {
    for shift in 0..=12 {
        let entries = 1 << shift;
        let mut ring = Ring::new(entries).unwrap();
        assert_eq!(ring.params().sq_entries, entries);
        let mut reaped = Vec::new();
        for round in 0..3_u64 {
            for left in (0..entries).rev() {
                push(&mut ring, &nop(round << 32 | u64::from(left))).unwrap();
                assert_eq!(ring.sq_space_left(), left);
            }
            assert_eq!(push(&mut ring, &nop(0)), Err(SqFull), "{entries} entries");
            assert_eq!(ring.sq_pending(), entries);
            assert_eq!(ring.submit_and_wait(entries, None), Ok(entries));
            assert_eq!((ring.sq_pending(), ring.sq_space_left()), (0, entries));
            assert_eq!(ring.cq_ready(), entries);
            reaped.clear();
            assert_eq!(ring.reap_into(&mut reaped), entries as usize);
            let expected = (0..entries).rev().map(|left| round << 32 | u64::from(left));
            assert!(reaped.iter().map(|cqe| cqe.user_data).eq(expected));
            assert!(reaped.iter().all(|cqe| cqe.res == 0));
        }
    }
}

#[test]
fn an_overflowing_completion_queue_loses_nothing_and_keeps_the_order() {
    let mut ring = Ring::builder().entries(8).cq_entries(8).build().unwrap();
    assert!(ring.capabilities().has(Features::NODROP));
    for batch in 0..5 {
        for index in 0..8 {
            push(&mut ring, &nop(batch * 8 + index)).unwrap();
        }
        assert_eq!(ring.submit(), Ok(8));
    }
    assert!(ring.overflowed());
    let mut seen = Vec::new();
    while seen.len() < 40 {
        assert_ne!(ring.reap_into(&mut seen), 0, "a flush brings more");
        ring.submit().unwrap();
    }
    assert!(seen.iter().map(|cqe| cqe.user_data).eq(0..40));
    assert!(!ring.overflowed());
    assert_eq!((ring.cq_lost(), ring.cq_ready()), (0, 0));
}
