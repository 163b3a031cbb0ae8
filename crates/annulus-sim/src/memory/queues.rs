//! The kernel's side of the two rings.
//!
//! Owns: consuming submissions, posting completions, the flags word. Does not own: what an entry
//! means, nor what happens when the completion queue is full.
//!
//! Invariants: indices run freely and wrap at 2^32; an entry is read only between head and the
//! tail that was acquired, and a completion is written only where the acquired head left room.
//! The mirror image of the `sq` and `cq` modules of `annulus-ring`.

use core::sync::atomic::{AtomicU32, Ordering};

use annulus_abi::{Cqe, Params, SetupFlags, SqFlags, Sqe};
use annulus_ring::RingMemory;

use super::Entry;

/// The two rings as the kernel sees them.
#[derive(Debug)]
pub(crate) struct Queues {
    memory: RingMemory,
    params: Params,
    sq_head: u32,
    cq_tail: u32,
}

impl Queues {
    /// # Safety
    /// * `memory` was allocated for `params`, and nobody else plays the kernel on it.
    pub(super) unsafe fn new(memory: RingMemory, params: &Params) -> Self {
        Self { memory, params: *params, sq_head: 0, cq_tail: 0 }
    }

    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// Entries that were published and not consumed.
    pub(crate) fn sq_pending(&self) -> u32 {
        // ORDERING: acquire pairs with the program's release of the tail: the entries are whole.
        let tail = self.sq_word(self.params.sq_off.tail).load(Ordering::Acquire);
        tail.wrapping_sub(self.sq_head)
    }

    /// Consumes the next entry. `None` if there is none. An entry behind a bad index is dropped.
    pub(crate) fn consume(&mut self) -> Option<Entry> {
        while self.sq_pending() > 0 {
            let mut index = self.sq_head & (self.params.sq_entries - 1);
            if !self.params.flags.contains(SetupFlags::NO_SQARRAY) {
                let slot = self.sq_word(self.params.sq_off.array + 4 * index);
                // ORDERING: relaxed; the acquire of the tail ordered it.
                index = slot.load(Ordering::Relaxed);
            }
            let sqe = (index < self.params.sq_entries).then(|| self.sqe(index));
            self.sq_head = self.sq_head.wrapping_add(1);
            // ORDERING: release pairs with the program's acquire of the head: our copy was made
            // before.
            self.sq_word(self.params.sq_off.head).store(self.sq_head, Ordering::Release);
            if let Some(sqe) = sqe {
                // SAFETY: the program published it, and so promised that its memory stays valid.
                return Some(unsafe { Entry::new(sqe) });
            }
            // ORDERING: relaxed; a counter.
            self.sq_word(self.params.sq_off.dropped).fetch_add(1, Ordering::Relaxed);
        }
        None
    }

    /// Completions that the program has not reaped.
    pub(crate) fn cq_ready(&self) -> u32 {
        // ORDERING: acquire pairs with the program's release of the head: it has read the entries.
        let head = self.cq_word(self.params.cq_off.head).load(Ordering::Acquire);
        self.cq_tail.wrapping_sub(head)
    }

    /// How many completions still fit.
    pub(crate) fn cq_room(&self) -> u32 {
        self.params.cq_entries - self.cq_ready()
    }

    /// Posts a completion.
    ///
    /// # Panics
    /// If there is no room.
    pub(crate) fn post(&mut self, cqe: Cqe) {
        assert!(self.cq_room() > 0, "a completion is posted where there is room");
        let index = self.cq_tail & (self.params.cq_entries - 1);
        let cqes = self.params.cq_off.cqes as usize + index as usize * size_of::<Cqe>();
        // SAFETY: the masked index is within the entries.
        let place = unsafe { self.memory.cq_ring().add(cqes) }.cast::<Cqe>();
        // SAFETY: aligned as the layout is, and outside head..tail, so the program leaves it alone.
        unsafe { place.write(cqe) };
        self.cq_tail = self.cq_tail.wrapping_add(1);
        // ORDERING: release pairs with the program's acquire of the tail: the entry is whole.
        self.cq_word(self.params.cq_off.tail).store(self.cq_tail, Ordering::Release);
    }

    /// Sets or clears flags of the submission ring.
    pub(crate) fn set_flags(&self, flags: SqFlags, on: bool) {
        let word = self.sq_word(self.params.sq_off.flags);
        if on {
            // ORDERING: relaxed; a hint to enter, as the program reads it.
            word.fetch_or(flags.0, Ordering::Relaxed);
        } else {
            // ORDERING: relaxed; as above.
            word.fetch_and(!flags.0, Ordering::Relaxed);
        }
    }

    fn sqe(&self, index: u32) -> Sqe {
        // SAFETY: the caller has checked the index against the number of entries.
        let place = unsafe { self.memory.sqes().add(index as usize) };
        // SAFETY: between head and tail: written before the tail was released, and left alone until
        // the head passes it. Any bytes are an `Sqe`.
        unsafe { place.read() }
    }

    fn sq_word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: the offset is one of the submission ring's in `params`.
        unsafe { self.word(self.memory.sq_ring(), offset) }
    }

    fn cq_word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: the offset is one of the completion ring's in `params`.
        unsafe { self.word(self.memory.cq_ring(), offset) }
    }

    /// # Safety
    /// * `offset` is that of a shared word in the ring that starts at `ring`.
    unsafe fn word(&self, ring: core::ptr::NonNull<u8>, offset: u32) -> &AtomicU32 {
        // SAFETY: within the ring, as the caller says.
        let word = unsafe { ring.add(offset as usize) }.cast::<AtomicU32>();
        // SAFETY: an aligned word, only ever accessed atomically, in memory that `self` keeps.
        unsafe { word.as_ref() }
    }
}
