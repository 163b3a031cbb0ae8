//! The completion queue.
//!
//! Owns: the free-running head, and [`Completions`]. Does not own: waiting, nor what a completion
//! means.
//!
//! Invariants: indices run freely and wrap at 2^32, so only wrapping arithmetic touches them; an
//! entry is copied before its slot is given back; the kernel learns the head once a batch, and
//! again within a long one so that it need not overflow. Mirrors the completion half of
//! io_uring(7).

use core::{iter::FusedIterator, sync::atomic::Ordering};

use annulus_abi::{Cqe, Params};

use crate::memory::{RingMemory, Word};

/// The user side of a completion ring.
pub(crate) struct Cq {
    /// The next entry to be reaped.
    head: u32,
    /// The kernel's tail at the last look; never behind `head`.
    seen: u32,
    mask: u32,
    cqes: *const Cqe,
    shared_head: Word,
    shared_tail: Word,
    shared_overflow: Word,
    _memory: RingMemory,
}

impl Cq {
    /// The queue in `memory`, starting where its indices stand.
    ///
    /// # Safety
    /// * `params` describe `memory`, and no other `Cq` works on it.
    pub(crate) unsafe fn new(memory: &RingMemory, params: &Params) -> Self {
        let ring = memory.cq_ring();
        let at = &params.cq_off;
        // SAFETY: `params` give the offset of each shared word within the ring.
        let [shared_head, shared_tail, shared_overflow] =
            [at.head, at.tail, at.overflow].map(|offset| unsafe { Word::at(ring, offset) });
        // SAFETY: the entries start within the ring.
        let cqes = unsafe { ring.add(at.cqes as usize) };
        // ORDERING: relaxed; only this side writes the head.
        let head = shared_head.load(Ordering::Relaxed);
        Self {
            head,
            seen: head,
            mask: params.cq_entries - 1,
            cqes: cqes.as_ptr().cast(),
            shared_head,
            shared_tail,
            shared_overflow,
            _memory: memory.clone(),
        }
    }

    /// How many completions can be reaped now.
    #[inline]
    pub(crate) fn ready(&self) -> u32 {
        self.kernel_tail().wrapping_sub(self.head)
    }

    /// The oldest completion, which stays in the queue.
    pub(crate) fn peek(&self) -> Option<Cqe> {
        if self.ready() == 0 {
            return None;
        }
        // SAFETY: `head` is before the tail that was just acquired.
        Some(unsafe { self.read(self.head) })
    }

    /// Looks at what is ready now, for [`next_seen`](Self::next_seen), and says how many they are.
    #[inline]
    pub(crate) fn look(&mut self) -> u32 {
        self.seen = self.kernel_tail();
        self.seen.wrapping_sub(self.head)
    }

    /// Takes the oldest completion that was there at the last look. After the last one the slots go
    /// back to the kernel.
    #[inline]
    pub(crate) fn next_seen(&mut self) -> Option<Cqe> {
        if self.head == self.seen {
            self.publish();
            return None;
        }
        // SAFETY: `head` is before `seen`, a tail that was acquired.
        let cqe = unsafe { self.read(self.head) };
        self.head = self.head.wrapping_add(1);
        if self.head % PUBLISH_EVERY == 0 {
            self.publish();
        }
        Some(cqe)
    }

    /// All completions that are ready now.
    #[inline]
    pub(crate) fn completions(&mut self) -> Completions<'_> {
        self.look();
        Completions { cq: self }
    }

    /// Completions that were lost; stays 0 where the kernel never drops (since 5.5).
    pub(crate) fn lost(&self) -> u32 {
        // ORDERING: relaxed; a counter.
        self.shared_overflow.load(Ordering::Relaxed)
    }

    #[inline]
    fn kernel_tail(&self) -> u32 {
        // ORDERING: acquire pairs with the kernel's release of the tail: the entries before it are
        // whole.
        self.shared_tail.load(Ordering::Acquire)
    }

    #[inline]
    fn publish(&self) {
        // ORDERING: release pairs with the kernel's acquire of the head: our copies were made
        // before.
        self.shared_head.store(self.head, Ordering::Release);
    }

    /// Copies the entry at a free-running index.
    ///
    /// # Safety
    /// * `index` is in `head..tail`, for a tail that was acquired.
    #[inline]
    unsafe fn read(&self, index: u32) -> Cqe {
        // SAFETY: the masked index is within the ring's entries.
        let cqe = unsafe { self.cqes.add((index & self.mask) as usize) };
        // SAFETY: the kernel filled this entry before it published the tail, and leaves it alone
        // until the head passes it. Any bytes are a `Cqe`.
        unsafe { cqe.read() }
    }
}

/// A batch of completions: those that were ready when it was made, oldest first.
///
/// Each is copied out and counts as reaped. The slots go back to the kernel when the iterator is
/// dropped, and after each 256 of a longer batch. What is not taken stays in the queue.
pub struct Completions<'ring> {
    cq: &'ring mut Cq,
}

/// A long batch publishes the head after so many completions.
const PUBLISH_EVERY: u32 = 256;

impl Iterator for Completions<'_> {
    type Item = Cqe;

    #[inline]
    fn next(&mut self) -> Option<Cqe> {
        self.cq.next_seen()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.cq.seen.wrapping_sub(self.cq.head) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Completions<'_> {}
impl FusedIterator for Completions<'_> {}

impl Drop for Completions<'_> {
    #[inline]
    fn drop(&mut self) {
        self.cq.publish();
    }
}

impl core::fmt::Debug for Completions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Completions").field("left", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests;
