//! Completions of both sizes in one queue, and the test playing the kernel that posts them.

use annulus_abi::SetupFlags;
use proptest::prelude::*;

use super::*;
use crate::CqeMixed;

struct Bench {
    cq: Cq<CqeMixed>,
    memory: RingMemory,
    params: Params,
    posted: u64,
}

impl Bench {
    fn new(entries: u32, start: u32) -> Self {
        let flags = SetupFlags::CQE_MIXED;
        let mut params =
            Params { sq_entries: entries, cq_entries: entries, flags, ..Params::default() };
        let memory = RingMemory::allocate(-1, &mut params);
        for offset in [params.cq_off.head, params.cq_off.tail] {
            // SAFETY: the offset of a word of the allocation that `memory` keeps.
            unsafe { Word::at(memory.cq_ring(), offset) }.store(start, Relaxed);
        }
        // SAFETY: `params` describe the memory, and this is its only queue.
        let cq = unsafe { Cq::new(&memory, &params) };
        Self { cq, memory, params, posted: 0 }
    }

    fn word(&self, offset: u32) -> Word {
        // SAFETY: the offset of a word of the allocation that `memory` keeps.
        unsafe { Word::at(self.memory.cq_ring(), offset) }
    }

    fn room(&self) -> u32 {
        let tail = self.word(self.params.cq_off.tail).load(Relaxed);
        let head = self.word(self.params.cq_off.head).load(Relaxed);
        self.params.cq_entries - tail.wrapping_sub(head)
    }

    /// Writes one slot and moves the tail, which nobody looks at before the caller returns.
    fn put(&mut self, slot: Cqe) {
        let tail = self.word(self.params.cq_off.tail);
        let at = tail.load(Relaxed);
        let index = (at & (self.params.cq_entries - 1)) as usize;
        let offset = self.params.cq_off.cqes as usize + index * size_of::<Cqe>();
        // SAFETY: the masked index is within the entries.
        let cqe = unsafe { self.memory.cq_ring().add(offset) }.cast::<Cqe>();
        // SAFETY: the slot is free, because the callers look for room first.
        unsafe { cqe.write(slot) };
        tail.store(at.wrapping_add(1), Relaxed);
    }

    /// Posts as the kernel does: a wide one in two slots next to each other, behind a filler if it
    /// would wrap. Says whether there was room.
    fn post(&mut self, wide: bool) -> bool {
        let tail = self.word(self.params.cq_off.tail).load(Relaxed);
        let last = self.params.cq_entries - 1;
        let fills = wide && tail & last == last;
        if self.room() < 1 + u32::from(wide) + u32::from(fills) {
            return false;
        }
        if fills {
            self.put(Cqe { user_data: u64::MAX, res: -1, flags: CqeFlags::SKIP });
        }
        let flags = if wide { CqeFlags::F_32 } else { CqeFlags::EMPTY };
        self.put(Cqe { user_data: self.posted, res: 0, flags });
        if wide {
            // The second half is any 16 bytes, here some that look like a filler.
            self.put(Cqe { user_data: self.posted << 8, res: 7, flags: CqeFlags::SKIP });
        }
        self.posted += 1;
        true
    }
}

fn extra(user_data: u64) -> [u64; 2] {
    [user_data << 8, u64::from(CqeFlags::SKIP.0) << 32 | 7]
}

#[test]
fn a_filler_is_passed_over_and_its_slot_given_back() {
    let mut bench = Bench::new(4, 0);
    assert!((0..3).all(|_| bench.post(false)));
    assert_eq!(bench.cq.completions().count(), 3);
    assert!(bench.post(true));
    assert_eq!(bench.cq.ready(), 3, "a filler and two halves");
    assert_eq!(bench.cq.peek().unwrap().extra, Some(extra(3)));
    assert_eq!(bench.cq.completions().count(), 1);
    assert_eq!(bench.room(), 4);
}

#[test]
fn a_queue_of_nothing_but_a_filler_is_empty() {
    let mut bench = Bench::new(4, u32::MAX);
    bench.put(Cqe { user_data: 0, res: 0, flags: CqeFlags::SKIP });
    assert_eq!(bench.cq.peek(), None);
    assert_eq!(bench.cq.completions().next(), None);
    assert_eq!(bench.room(), 4);
}

#[test]
fn a_long_batch_gives_slots_back_although_it_steps_over_the_place() {
    let mut bench = Bench::new(1024, 1);
    assert!((0..200).all(|_| bench.post(true)));
    let mut batch = bench.cq.completions();
    assert_eq!(batch.by_ref().take(129).count(), 129);
    assert_eq!(batch.cq.shared_head.load(Relaxed), 257);
}

proptest! {
    /// Against a plain list: whatever the order of sizes, posts, looks and reaps, and wherever the
    /// indices start.
    #[test]
    fn a_mixed_queue_behaves_as_a_queue(
        shift in 1_u32..6,
        start in prop_oneof![Just(u32::MAX), Just(u32::MAX - 9), any::<u32>()],
        steps in proptest::collection::vec(0_u32..7, 0..300),
    ) {
        let mut bench = Bench::new(1 << shift, start);
        let mut model = std::collections::VecDeque::new();
        for step in steps {
            match step {
                0..=3 => {
                    let wide = step % 2 == 1;
                    let user_data = bench.posted;
                    if bench.post(wide) {
                        model.push_back((user_data, wide.then(|| extra(user_data))));
                    }
                }
                4 => {
                    let seen = bench.cq.peeked().map(|it| (it.cqe.user_data, it.extra));
                    prop_assert!(seen.eq(model.iter().copied()));
                }
                many => {
                    let count = many as usize - 4;
                    let taken = bench.cq.completions().take(count);
                    let taken: Vec<_> = taken.map(|it| (it.cqe.user_data, it.extra)).collect();
                    let count = count.min(model.len());
                    prop_assert_eq!(taken, model.drain(..count).collect::<Vec<_>>());
                }
            }
            if model.is_empty() {
                prop_assert_eq!(bench.cq.completions().next(), None);
                prop_assert_eq!(bench.room(), 1 << shift);
            }
        }
    }
}
