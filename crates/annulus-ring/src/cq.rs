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

use annulus_abi::{Cqe, Cqe32, Params};

use crate::{
    handover,
    memory::{RingMemory, Word},
    shape::{CqeShape, PUBLISH_EVERY, Walk},
};

/// The user side of a completion ring.
pub(crate) struct Cq<C: CqeShape = Cqe> {
    /// The next entry to be reaped.
    head: u32,
    /// The kernel's tail at the last look; never behind `head`.
    seen: u32,
    mask: u32,
    slots: *const C::Slot,
    shared_head: Word,
    shared_tail: Word,
    shared_overflow: Word,
    _memory: RingMemory,
}

impl<C: CqeShape> Cq<C> {
    /// The queue in `memory`, starting where its indices stand.
    ///
    /// # Safety
    /// * `params` describe `memory`, are of the shape `C`, and no other `Cq` works on it.
    pub(crate) unsafe fn new(memory: &RingMemory, params: &Params) -> Self {
        let ring = memory.cq_ring();
        let at = &params.cq_off;
        // SAFETY: `params` give the offset of each shared word within the ring.
        let [shared_head, shared_tail, shared_overflow] =
            [at.head, at.tail, at.overflow].map(|offset| unsafe { Word::at(ring, offset) });
        // SAFETY: the entries start within the ring.
        let slots = unsafe { ring.add(at.cqes as usize) };
        // ORDERING: relaxed; only this side writes the head.
        let head = shared_head.load(Ordering::Relaxed);
        Self {
            head,
            seen: head,
            mask: params.cq_entries - 1,
            slots: slots.as_ptr().cast(),
            shared_head,
            shared_tail,
            shared_overflow,
            _memory: memory.clone(),
        }
    }

    /// Goes on in other memory, into which the kernel has moved the queue, with the same indices.
    ///
    /// # Safety
    /// * As for [`new`](Self::new).
    pub(crate) unsafe fn move_to(&mut self, memory: &RingMemory, params: &Params) {
        let head = self.head;
        // SAFETY: the caller says so.
        *self = unsafe { Self::new(memory, params) };
        self.head = head;
        self.seen = head;
        self.publish();
    }

    /// How many slots hold something to be reaped now: with uniform shapes, completions.
    #[inline]
    pub(crate) fn ready(&self) -> u32 {
        self.kernel_tail().wrapping_sub(self.head)
    }

    /// The oldest completion, which stays in the queue.
    pub(crate) fn peek(&self) -> Option<C> {
        self.peeked().next()
    }

    /// All completions that are ready now, which stay in the queue.
    pub(crate) fn peeked(&self) -> Peeked<'_, C> {
        Peeked { cq: self, at: self.head, tail: self.kernel_tail() }
    }

    /// Looks at what is ready now, for [`next_seen`](Self::next_seen), and says how many slots that
    /// are.
    #[inline]
    pub(crate) fn look(&mut self) -> u32 {
        self.seen = self.kernel_tail();
        self.seen.wrapping_sub(self.head)
    }

    /// Takes the oldest completion that was there at the last look. After the last one the slots go
    /// back to the kernel.
    #[inline]
    pub(crate) fn next_seen(&mut self) -> Option<C> {
        let head = self.head;
        if head == self.seen {
            self.publish();
            return None;
        }
        // SAFETY: `head` is before `seen`, a tail that was acquired.
        let (cqe, steps) = unsafe { C::first(self.slots, self.mask, head, self.seen) };
        self.head = head.wrapping_add(steps);
        if C::gives_back(head, self.head) || cqe.is_none() {
            self.publish();
        }
        cqe
    }

    /// Takes the oldest completions that were there at the last look, as far as they lie next to
    /// each other, up to the next place where a long batch gives slots back. Gives the slots of
    /// those before them back to the kernel.
    #[inline]
    pub(crate) fn next_run(&mut self) -> Run<C>
    where
        C: Walk<Slot = C>,
    {
        self.publish();
        let (head, ready) = (self.head, self.seen.wrapping_sub(self.head));
        let count = ready.min((!head & self.mask & (PUBLISH_EVERY - 1)) + 1);
        self.head = head.wrapping_add(count);
        // SAFETY: the masked index is within the slots.
        let at = unsafe { self.slots.add((head & self.mask) as usize) };
        // SAFETY: no more than lie before the end of the slots.
        Run { at, end: unsafe { at.add(count as usize) } }
    }

    /// The last so many slots of a run are not reaped after all: they are what comes next.
    ///
    /// # Safety
    /// * They are of the last run of this queue, none of them is taken from it afterwards, and what
    ///   [`Run::take`] demands still holds.
    pub(crate) unsafe fn put_back(&mut self, slots: u32) {
        self.head = self.head.wrapping_sub(slots);
    }

    /// All completions that are ready now.
    #[inline]
    pub(crate) fn completions(&mut self) -> Completions<'_, C> {
        self.look();
        let (head, mask, slots) = (self.head, self.mask, self.slots);
        let ready = self.seen.wrapping_sub(head);
        let until_pause = ready.min(PUBLISH_EVERY);
        Completions { head, until_pause, behind: ready - until_pause, mask, slots, cq: self }
    }

    /// Completions that were lost; stays 0 where the kernel never drops (since 5.5).
    pub(crate) fn lost(&self) -> u32 {
        // ORDERING: relaxed; a counter.
        self.shared_overflow.load(Ordering::Relaxed)
    }

    #[inline]
    fn kernel_tail(&self) -> u32 {
        handover::posted(&*self.shared_tail)
    }

    /// Gives the slots of all reaped completions back to the kernel.
    #[inline]
    pub(crate) fn publish(&self) {
        handover::reaped(&*self.shared_head, self.head);
    }
}

/// A batch of completions: those that were ready when it was made, oldest first.
///
/// Each is copied out and counts as reaped. The slots go back to the kernel when the iterator is
/// dropped, and after each 256 of a longer batch. What is not taken stays in the queue.
#[doc(alias = "io_uring_cqe_iter_init")]
#[doc(alias = "io_uring_cqe_iter_next")]
#[doc(alias = "io_uring_skip_cqe")]
pub struct Completions<'ring, C: CqeShape = Cqe> {
    // What each step needs lies here, not behind the reference, so that a loop keeps it in
    // registers.
    head: u32,
    /// Slots that are read before there is anything else to do.
    until_pause: u32,
    /// Slots behind those.
    behind: u32,
    mask: u32,
    slots: *const C::Slot,
    cq: &'ring mut Cq<C>,
}

impl<C: CqeShape> Iterator for Completions<'_, C> {
    type Item = C;

    #[inline]
    fn next(&mut self) -> Option<C> {
        if self.until_pause == 0 {
            if self.behind == 0 {
                return None;
            }
            self.cq.publish();
            self.until_pause = self.behind.min(PUBLISH_EVERY);
            self.behind -= self.until_pause;
        }
        // SAFETY: `head` is before `seen`, a tail that was acquired.
        let (cqe, steps) = unsafe { C::first(self.slots, self.mask, self.head, self.cq.seen) };
        if steps <= self.until_pause {
            self.until_pause -= steps;
        } else {
            // What takes two slots, or a filler before it, lies across a pause.
            self.behind -= steps - self.until_pause;
            self.until_pause = 0;
        }
        self.head = self.head.wrapping_add(steps);
        // At once, so that a batch that is forgotten gives nothing twice.
        self.cq.head = self.head;
        cqe
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.until_pause + self.behind) as usize;
        (if C::UNIFORM { left } else { 0 }, Some(left))
    }
}

impl ExactSizeIterator for Completions<'_, Cqe> {}
impl ExactSizeIterator for Completions<'_, Cqe32> {}
impl<C: CqeShape> FusedIterator for Completions<'_, C> {}

impl<C: CqeShape> Drop for Completions<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.cq.publish();
    }
}

impl<C: CqeShape> core::fmt::Debug for Completions<'_, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Completions").field("left", &self.size_hint().1).finish()
    }
}

/// Completions that lie next to each other in the queue, oldest first; they count as reaped.
///
/// Nothing of the ring is borrowed, so whoever gives them out one by one may use the ring
/// meanwhile. See [`Ring::next_run`](crate::Ring::next_run).
#[derive(Debug)]
pub struct Run<C = Cqe> {
    at: *const C,
    end: *const C,
}

impl<C: Copy> Run<C> {
    /// How many are left.
    #[must_use]
    #[inline]
    pub fn len(&self) -> u32 {
        ((self.end.addr() - self.at.addr()) / size_of::<C>()) as u32
    }

    /// Whether none is left.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at == self.end
    }

    /// Copies the oldest one that is left.
    ///
    /// # Safety
    /// * The ring that gave the run is still there and was not resized, and since it gave this run
    ///   nothing was called on it that reaps or gives back: neither another `next_run`, nor
    ///   `give_back`, `next_seen`, `completions` or `advance`. Submitting and looking are no harm.
    #[inline]
    pub unsafe fn take(&mut self) -> Option<C> {
        if self.is_empty() {
            return None;
        }
        let slot = self.at;
        // SAFETY: there was one before the end.
        self.at = unsafe { slot.add(1) };
        // SAFETY: the kernel filled it, and does not have it back, by the caller's contract.
        Some(unsafe { slot.read() })
    }
}

/// The completions that are ready, oldest first; they stay in the queue.
///
/// They can be reaped afterwards, as many as were looked at, with
/// [`Ring::advance`](crate::Ring::advance).
pub struct Peeked<'ring, C: CqeShape = Cqe> {
    cq: &'ring Cq<C>,
    at: u32,
    tail: u32,
}

impl<C: CqeShape> Iterator for Peeked<'_, C> {
    type Item = C;

    fn next(&mut self) -> Option<C> {
        if self.at == self.tail {
            return None;
        }
        // SAFETY: `at` is between the head, which nobody moves meanwhile, and a tail that was
        // acquired.
        let (cqe, steps) = unsafe { C::first(self.cq.slots, self.cq.mask, self.at, self.tail) };
        self.at = self.at.wrapping_add(steps);
        cqe
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.tail.wrapping_sub(self.at) as usize;
        (if C::UNIFORM { left } else { 0 }, Some(left))
    }
}

impl<C: CqeShape> FusedIterator for Peeked<'_, C> {}

impl<C: CqeShape> core::fmt::Debug for Peeked<'_, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Peeked").field("left", &self.size_hint().1).finish()
    }
}

#[cfg(test)]
mod tests;
