//! The completion queue over allocated memory, the test playing the kernel.

use core::sync::atomic::Ordering::Relaxed;

use annulus_abi::CqeFlags;

use super::*;
use crate::shape::PUBLISH_EVERY;

mod mixed;

struct Bench {
    cq: Cq,
    memory: RingMemory,
    params: Params,
}

impl Bench {
    fn new(entries: u32, start: u32) -> Self {
        let mut params = Params { sq_entries: entries, cq_entries: entries, ..Params::default() };
        let memory = RingMemory::allocate(-1, &mut params);
        for offset in [params.cq_off.head, params.cq_off.tail] {
            // SAFETY: the offset of a word of the allocation that `memory` keeps.
            unsafe { Word::at(memory.cq_ring(), offset) }.store(start, Relaxed);
        }
        // SAFETY: `params` describe the memory, and this is its only queue.
        let cq = unsafe { Cq::new(&memory, &params) };
        Self { cq, memory, params }
    }

    fn head(&self) -> u32 {
        // SAFETY: the offset of a word of the allocation that `memory` keeps.
        unsafe { Word::at(self.memory.cq_ring(), self.params.cq_off.head) }.load(Relaxed)
    }

    /// Posts a completion, as the kernel does.
    fn post(&mut self, user_data: u64) {
        // SAFETY: the offset of a word of the allocation that `memory` keeps.
        let tail = unsafe { Word::at(self.memory.cq_ring(), self.params.cq_off.tail) };
        let at = tail.load(Relaxed);
        assert!(at.wrapping_sub(self.head()) < self.params.cq_entries, "room");
        let index = (at & (self.params.cq_entries - 1)) as usize;
        let offset = self.params.cq_off.cqes as usize + index * size_of::<Cqe>();
        // SAFETY: the masked index is within the entries.
        let cqe = unsafe { self.memory.cq_ring().add(offset) }.cast::<Cqe>();
        let value = Cqe { user_data, res: 0, flags: CqeFlags::EMPTY };
        // SAFETY: the slot is free, because there is room.
        unsafe { cqe.write(value) };
        tail.store(at.wrapping_add(1), Relaxed);
    }

    fn reap(&mut self) -> Vec<u64> {
        self.cq.completions().map(|cqe| cqe.user_data).collect()
    }
}

#[test]
fn indices_wrap_at_two_to_the_thirty_second() {
    let mut bench = Bench::new(4, u32::MAX - 1);
    for round in 0..4 {
        let expected: Vec<u64> = (round * 4..round * 4 + 4).collect();
        expected.iter().for_each(|user_data| bench.post(*user_data));
        assert_eq!(bench.cq.ready(), 4);
        assert_eq!(bench.reap(), expected);
        assert_eq!(bench.cq.ready(), 0);
    }
    assert_eq!(bench.head(), (u32::MAX - 1).wrapping_add(16));
}

#[test]
fn slots_go_back_when_the_batch_ends() {
    let mut bench = Bench::new(8, 0);
    (0..3).for_each(|user_data| bench.post(user_data));
    let mut batch = bench.cq.completions();
    assert_eq!(batch.len(), 3);
    assert_eq!(batch.next().unwrap().user_data, 0);
    assert_eq!(batch.next().unwrap().user_data, 1);
    assert_eq!(batch.cq.shared_head.load(Relaxed), 0);
    drop(batch);
    assert_eq!(bench.head(), 2);
    assert_eq!(bench.reap(), [2]);
}

#[test]
fn a_long_batch_gives_slots_back_on_the_way() {
    let mut bench = Bench::new(512, 0);
    (0..512).for_each(|user_data| bench.post(user_data));
    let mut batch = bench.cq.completions();
    assert!(batch.by_ref().take(300).map(|cqe| cqe.user_data).eq(0..300));
    assert_eq!(batch.cq.shared_head.load(Relaxed), PUBLISH_EVERY);
}

#[test]
fn what_arrives_during_a_batch_waits_for_the_next() {
    let mut bench = Bench::new(4, 0);
    bench.post(1);
    let mut batch = bench.cq.completions();
    assert!(batch.next().is_some());
    let tail = batch.cq.shared_tail;
    tail.store(2, Relaxed);
    assert!(batch.next().is_none());
    drop(batch);
    assert_eq!(bench.cq.ready(), 1);
}

#[test]
fn a_forgotten_batch_loses_nothing_that_was_not_taken() {
    let mut bench = Bench::new(4, u32::MAX);
    bench.post(1);
    bench.post(2);
    let mut batch = bench.cq.completions();
    assert_eq!(batch.next().unwrap().user_data, 1);
    core::mem::forget(batch);
    assert_eq!(bench.reap(), [2]);
    assert_eq!(bench.head(), 1);
}

#[test]
fn peeking_leaves_the_completion() {
    let mut bench = Bench::new(2, u32::MAX);
    assert_eq!(bench.cq.peek(), None);
    bench.post(9);
    assert_eq!(bench.cq.peek().unwrap().user_data, 9);
    assert_eq!(bench.reap(), [9]);
    assert_eq!(bench.cq.peek(), None);
}

#[test]
fn completions_are_taken_one_by_one_up_to_the_last_look() {
    let mut bench = Bench::new(4, 5);
    assert_eq!(bench.cq.look(), 0);
    bench.post(1);
    bench.post(2);
    assert!(bench.cq.next_seen().is_none(), "nobody has looked");
    assert_eq!(bench.cq.look(), 2);
    assert_eq!(bench.cq.next_seen().unwrap().user_data, 1);
    bench.post(3);
    assert_eq!(bench.cq.next_seen().unwrap().user_data, 2);
    assert_eq!(bench.head(), 5, "slots go back after the last");
    assert!(bench.cq.next_seen().is_none());
    assert_eq!(bench.head(), 7);
    assert_eq!(bench.reap(), [3]);
    assert!(bench.cq.next_seen().is_none(), "another batch has taken what was there");
}

/// Takes a run out.
fn taken(mut run: Run) -> Vec<u64> {
    let mut taken = Vec::new();
    // SAFETY: the queue lives, and the run is the last one.
    while let Some(cqe) = unsafe { run.take() } {
        taken.push(cqe.user_data);
    }
    assert!(run.is_empty());
    taken
}

#[test]
fn runs_end_where_the_slots_do_and_give_back_those_before_them() {
    let mut bench = Bench::new(4, u32::MAX);
    (1..=3).for_each(|user_data| bench.post(user_data));
    assert!(bench.cq.next_run().is_empty(), "nobody has looked");
    assert_eq!(bench.cq.look(), 3);
    bench.post(4);
    let run = bench.cq.next_run();
    assert_eq!((run.len(), bench.cq.ready()), (1, 3), "what a run has is reaped");
    assert_eq!(taken(run), [1]);
    assert_eq!(bench.head(), u32::MAX, "and its slots are not the kernel's yet");
    let run = bench.cq.next_run();
    assert_eq!(bench.head(), 0);
    assert_eq!(taken(run), [2, 3], "no more than were there at the look");
    assert!(bench.cq.next_run().is_empty());
    assert_eq!(bench.head(), 2);
    assert_eq!(bench.reap(), [4]);
}

#[test]
fn a_long_run_ends_where_slots_are_given_back() {
    let mut bench = Bench::new(1024, PUBLISH_EVERY - 2);
    (0..300).for_each(|user_data| bench.post(user_data));
    assert_eq!(bench.cq.look(), 300);
    let lengths: [u32; 4] = std::array::from_fn(|_| taken(bench.cq.next_run()).len() as u32);
    assert_eq!(lengths, [2, PUBLISH_EVERY, 42, 0]);
}
