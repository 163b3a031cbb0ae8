//! The submission queue over allocated memory on one thread, the test playing the kernel; the
//! models have the threads.

use core::sync::atomic::Ordering::Relaxed;
use std::collections::VecDeque;

use annulus_abi::{Params, Sqe};
use proptest::prelude::*;

use super::*;
use crate::{
    memory::{RingMemory, Word},
    shared::memory::MappedSq,
};

/// A queue whose indices stand at `start`, and the kernel's half of it.
struct Bench {
    sq: Submission<MappedSq>,
    memory: RingMemory,
}

impl Bench {
    fn new(entries: u32, start: u32) -> Self {
        let mut params = Params { sq_entries: entries, cq_entries: entries, ..Params::default() };
        let memory = RingMemory::allocate(-1, &mut params);
        for offset in [params.sq_off.head, params.sq_off.tail] {
            // SAFETY: the offset of a word of the allocation that `memory` keeps.
            unsafe { Word::at(memory.sq_ring(), offset) }.store(start, Relaxed);
        }
        // SAFETY: `params` describe the memory, and this is its only queue.
        let sq = Submission::new(unsafe { MappedSq::new(&memory, &params) });
        Self { sq, memory }
    }

    /// Takes a slot and appends an entry; false if there is none.
    fn fill(&self, batch: &mut Batch, user_data: u64) -> bool {
        let Some(mut taken) = self.sq.slots().take(1, 0) else {
            return false;
        };
        let slot = taken.pop().expect("a set that was taken has a slot");
        let sqe = Sqe { user_data, ..Sqe::default() };
        // SAFETY: the slot was just taken.
        unsafe { self.sq.fill(batch, slot, &sqe) };
        true
    }

    fn commit(&self, entries: &[u64]) -> u32 {
        let mut batch = Batch::default();
        for entry in entries {
            assert!(self.fill(&mut batch, *entry));
        }
        self.sq.commit(&mut batch)
    }

    /// Publishes, lets the kernel consume up to `most` entries, and reclaims.
    fn submit(&self, most: u32) -> Vec<u64> {
        let leads = self.sq.lead().expect("nobody else leads");
        let pending = leads.publish();
        let queue = self.sq.memory();
        let head = queue.head().load(Relaxed);
        let count = most.min(pending);
        let taken = (0..count).map(|step| {
            let slot = queue.index(head.wrapping_add(step)).load(Relaxed);
            // SAFETY: an index of the array is that of an entry.
            let sqe = unsafe { self.memory.sqes().add(slot as usize) };
            // SAFETY: published entries are initialised and nobody writes them now.
            unsafe { sqe.read() }.user_data
        });
        let taken = taken.collect();
        queue.head().store(head.wrapping_add(count), Relaxed);
        assert_eq!(leads.reclaim(), count);
        assert!(leads.resign().is_none());
        taken
    }
}

#[test]
fn batches_reach_the_kernel_in_the_order_of_their_commits() {
    let bench = Bench::new(8, u32::MAX - 2);
    assert_eq!(bench.commit(&[1, 2]), 2);
    assert_eq!(bench.commit(&[3]), 3);
    assert_eq!(bench.commit(&[4, 5, 6]), 6);
    assert_eq!(bench.submit(u32::MAX), [1, 2, 3, 4, 5, 6]);
    assert_eq!((bench.sq.committed(), bench.sq.unconsumed(), bench.sq.slots().count()), (0, 0, 8));
}

#[test]
fn a_slot_that_is_held_keeps_nobody_else_from_submitting() {
    let bench = Bench::new(4, u32::MAX);
    let held = bench.sq.slots().take(1, 0).unwrap();
    for round in 0..10 {
        let entries = [round * 3, round * 3 + 1, round * 3 + 2];
        bench.commit(&entries);
        assert_eq!(bench.submit(u32::MAX), entries);
    }
    bench.sq.slots().give(held);
    assert_eq!(bench.sq.slots().count(), 4);
}

#[test]
fn what_the_kernel_leaves_is_offered_again() {
    let bench = Bench::new(4, u32::MAX - 1);
    bench.commit(&[1, 2, 3]);
    assert_eq!(bench.submit(1), [1]);
    assert_eq!((bench.sq.unconsumed(), bench.sq.slots().count()), (2, 2));
    bench.commit(&[4]);
    assert_eq!(bench.submit(u32::MAX), [2, 3, 4]);
}

#[test]
fn a_batch_that_is_given_up_is_never_seen() {
    let bench = Bench::new(4, 0);
    let mut batch = Batch::default();
    for entry in 0..3 {
        assert!(bench.fill(&mut batch, entry));
    }
    assert_eq!((batch.len(), bench.sq.slots().count()), (3, 1));
    bench.sq.discard(&mut batch);
    assert_eq!((batch.len(), bench.sq.slots().count()), (0, 4));
    bench.sq.discard(&mut batch);
    assert_eq!(bench.sq.commit(&mut batch), 0);
    assert_eq!(bench.submit(u32::MAX), []);
}

#[test]
fn there_is_one_leader_and_who_comes_meanwhile_makes_it_look_again() {
    let bench = Bench::new(4, 0);
    let leads = bench.sq.lead().unwrap();
    assert_eq!(leads.publish(), 0);
    bench.commit(&[1]);
    assert!(bench.sq.lead().is_none());
    let leads = leads.resign().unwrap();
    assert_eq!(leads.publish(), 1);
    assert!(leads.resign().is_none());
    assert!(bench.sq.lead().is_some());
}

proptest! {
    /// Against a plain queue: whatever the batches and submissions, and wherever the indices start.
    #[test]
    fn it_behaves_as_a_bounded_queue(
        shift in 0_u32..8,
        start in prop_oneof![Just(u32::MAX), Just(u32::MAX - 9), any::<u32>()],
        steps in proptest::collection::vec((0_u32..4, 0_u32..9), 0..200),
    ) {
        let entries = 1 << shift;
        let bench = Bench::new(entries, start);
        let mut batch = Batch::default();
        let (mut filled, mut committed) = (Vec::new(), VecDeque::new());
        let mut next = 0_u64;
        for (step, number) in steps {
            match step {
                0 => for _ in 0..number {
                    let fits = filled.len() + committed.len() < entries as usize;
                    prop_assert_eq!(bench.fill(&mut batch, next), fits);
                    if fits {
                        filled.push(next);
                    }
                    next += 1;
                },
                1 => {
                    committed.extend(filled.drain(..));
                    bench.sq.commit(&mut batch);
                }
                2 => {
                    let most = (number as usize).min(committed.len());
                    let expected: Vec<_> = committed.drain(..most).collect();
                    prop_assert_eq!(bench.submit(number), expected);
                }
                _ => {
                    filled.clear();
                    bench.sq.discard(&mut batch);
                }
            }
            let free = entries as usize - filled.len() - committed.len();
            prop_assert_eq!(bench.sq.slots().count() as usize, free);
        }
    }
}
