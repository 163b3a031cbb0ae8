//! The completion queue over allocated memory on one thread, the test playing the kernel; the
//! models have the threads.

use core::sync::atomic::Ordering::Relaxed;
use std::collections::VecDeque;

use annulus_abi::{CqeFlags, Params};
use proptest::prelude::*;

use super::*;
use crate::{
    memory::{RingMemory, Word},
    shared::memory::MappedCq,
};

struct Bench {
    cq: Completion<MappedCq>,
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
        let cq = Completion::new(unsafe { MappedCq::new(&memory, &params) });
        Self { cq, memory, params }
    }

    /// Posts a completion, if the kernel has a place for it.
    fn post(&self, cqe: Cqe) -> bool {
        let (head, tail) = (self.cq.memory().head(), self.cq.memory().tail());
        let at = tail.load(Relaxed);
        if at.wrapping_sub(head.load(Relaxed)) == self.params.cq_entries {
            return false;
        }
        let index = (at & (self.params.cq_entries - 1)) as usize;
        // SAFETY: the entries start within the ring.
        let cqes = unsafe { self.memory.cq_ring().add(self.params.cq_off.cqes as usize) };
        // SAFETY: the masked index is within the entries.
        let place = unsafe { cqes.cast::<Cqe>().add(index) };
        // SAFETY: a place that is the kernel's.
        unsafe { place.write(cqe) };
        tail.store(at.wrapping_add(1), Relaxed);
        true
    }
}

#[test]
fn an_entry_is_read_whole() {
    let bench = Bench::new(2, u32::MAX);
    let cqes = [
        Cqe { user_data: u64::MAX, res: -125, flags: CqeFlags(0x8000_0001) },
        Cqe { user_data: 1 << 63, res: i32::MAX, flags: CqeFlags::EMPTY },
    ];
    for cqe in cqes {
        assert!(bench.post(cqe));
    }
    assert_eq!(bench.cq.ready(), 2);
    let mut out = [Cqe::default(); 4];
    assert_eq!(bench.cq.take(&mut out), 2);
    assert_eq!(out[..2], cqes);
    assert_eq!((bench.cq.take(&mut out), bench.cq.ready()), (0, 0));
}

#[test]
fn nothing_is_reaped_into_nothing() {
    let bench = Bench::new(2, 0);
    assert!(bench.post(Cqe::default()));
    assert_eq!(bench.cq.take(&mut []), 0);
    assert_eq!(bench.cq.ready(), 1);
}

proptest! {
    /// Against a plain queue, wherever the indices start: they wrap at 2^32 and the head that is
    /// claimed does not.
    #[test]
    fn it_behaves_as_a_bounded_queue(
        shift in 0_u32..5,
        start in prop_oneof![Just(u32::MAX), Just(u32::MAX - 9), any::<u32>()],
        steps in proptest::collection::vec((any::<bool>(), 0_usize..20), 0..200),
    ) {
        let entries = 1 << shift;
        let bench = Bench::new(entries, start);
        let mut model = VecDeque::new();
        let mut next = 0_u64;
        for (posts, number) in steps {
            if posts {
                for _ in 0..number {
                    let fits = model.len() < entries as usize;
                    let cqe = Cqe { user_data: next, ..Cqe::default() };
                    prop_assert_eq!(bench.post(cqe), fits);
                    if fits {
                        model.push_back(next);
                    }
                    next += 1;
                }
            } else {
                let mut out = vec![Cqe::default(); number];
                let count = bench.cq.take(&mut out);
                prop_assert_eq!(count, number.min(model.len()));
                let expected: Vec<_> = model.drain(..count).collect();
                prop_assert!(out[..count].iter().map(|cqe| cqe.user_data).eq(expected));
            }
            prop_assert_eq!(bench.cq.ready() as usize, model.len());
        }
    }
}
