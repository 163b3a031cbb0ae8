//! The submission queue.
//!
//! Owns: the free-running tail, the cached head, and the entries between them. Does not own:
//! entering the kernel, nor what an entry says.
//!
//! Invariants: indices run freely and wrap at 2^32, so only wrapping arithmetic touches them and
//! the mask is applied at the access alone; `head <= published <= tail <= head + entries` in that
//! arithmetic; an entry between head and published tail belongs to the kernel. Mirrors the
//! submission half of io_uring(7).
//!
//! ```text
//!        head (kernel writes)     published       tail
//!   free  |  the kernel's entries     |  pushed     |  free
//! ```

use core::{ptr::NonNull, sync::atomic::Ordering};

use annulus_abi::{Params, SetupFlags, SqFlags, Sqe, Sqe128, SqeFlags};

use crate::{
    handover,
    memory::{RingMemory, Word},
    shape::{Slots, SqeMixed, SqeShape},
    wakeup,
};

/// The user side of a submission ring.
pub(crate) struct Sq<S: SqeShape = Sqe> {
    /// Where the next entry is pushed: the tail, as a place. Pushing costs least this way; the
    /// index is worked out once a batch.
    next: NonNull<S::Slot>,
    /// Where pushing must stop to look: at the end of the entries, or where the queue was full when
    /// the head was last looked at for room.
    stop: NonNull<S::Slot>,
    /// The index of the first place in this lap. The low half of an index is what the kernel sees;
    /// as a whole it never wraps.
    lap: u64,
    /// The kernel's head as last seen: it only ever moves on, so an old value errs on the side of
    /// full.
    head: u32,
    mask: u32,
    entries: u32,
    sqes: NonNull<S::Slot>,
    shared_head: Word,
    shared_tail: Word,
    shared_flags: Word,
    shared_dropped: Word,
    _memory: RingMemory,
}

impl<S: SqeShape> Sq<S> {
    /// The queue in `memory`, starting where its indices stand.
    ///
    /// Writes the identity into the index array once, where there is one.
    ///
    /// # Safety
    /// * `params` describe `memory`, are of the shape `S`, and no other `Sq` works on it.
    pub(crate) unsafe fn new(memory: &RingMemory, params: &Params) -> Self {
        let ring = memory.sq_ring();
        let at = &params.sq_off;
        // SAFETY: `params` give the offset of each shared word within the ring.
        let [shared_head, shared_tail, shared_flags, shared_dropped] =
            [at.head, at.tail, at.flags, at.dropped]
                .map(|offset| unsafe { Word::at(ring, offset) });
        let entries = params.sq_entries;
        if !params.flags.contains(SetupFlags::NO_SQARRAY) {
            for index in 0..entries {
                // SAFETY: the array has `entries` words from its offset on.
                let word = unsafe { Word::at(ring, at.array + 4 * index) };
                // ORDERING: relaxed; the release store of the first tail publishes it to the
                // kernel.
                word.store(index, Ordering::Relaxed);
            }
        }
        // ORDERING: relaxed; only this side writes the tail, and no entry is read through either.
        let tail = shared_tail.load(Ordering::Relaxed);
        // ORDERING: relaxed; as above, nothing has been submitted yet.
        let head = shared_head.load(Ordering::Relaxed);
        let (sqes, mask) = (memory.sqes().cast(), entries - 1);
        // SAFETY: the masked index is within the entries.
        let next = unsafe { sqes.add((tail & mask) as usize) };
        Self {
            next,
            stop: next,
            lap: u64::from(tail & !mask),
            head,
            mask,
            entries,
            sqes,
            shared_head,
            shared_tail,
            shared_flags,
            shared_dropped,
            _memory: memory.clone(),
        }
    }

    /// The free entry at the tail, zeroed; it counts as pushed. `None` if the queue is full.
    #[inline]
    pub(crate) fn vacant(&mut self) -> Option<&mut S::Slot> {
        if self.next == self.stop && !self.find_room() {
            return None;
        }
        self.vacant_seen()
    }

    /// As [`vacant`](Self::vacant), as far as room was seen: `None` at a stop. Once a queue is
    /// full, there is none before somebody has called `vacant`.
    #[inline]
    pub(crate) fn vacant_seen(&mut self) -> Option<&mut S::Slot> {
        if self.next == self.stop {
            return None;
        }
        let mut sqe = self.next;
        // SAFETY: `next` is before `stop`, which is at most the end of the entries.
        self.next = unsafe { sqe.add(1) };
        // SAFETY: the slot lies outside head..tail, so the kernel does not touch it.
        unsafe { sqe.write(S::ZERO) };
        // SAFETY: initialised just now, and ours alone until the tail is published, which takes
        // `&mut self` and so ends this borrow.
        Some(unsafe { sqe.as_mut() })
    }

    /// The `count` entries at the tail, zeroed, not yet pushed. `None` if they are not all free.
    pub(crate) fn reserve(&mut self, count: u32) -> Option<Reservation<'_, S>> {
        self.refresh_head();
        if self.entries - self.backlog() < count {
            return None;
        }
        let reservation = Reservation { sq: self, count };
        for index in 0..count {
            // SAFETY: `index` is less than the count.
            let slot = unsafe { reservation.slot(index) };
            // SAFETY: the slot lies outside head..tail, so the kernel does not touch it.
            unsafe { slot.write(S::ZERO) };
        }
        Some(reservation)
    }

    /// Goes on in other memory, into which the kernel has moved the queue, with the same indices.
    ///
    /// Pending entries are copied once more, because the kernel moves 64 bytes of each. The kernel
    /// looks at entries only when it is entered: a ring that can be resized has no submission
    /// thread.
    ///
    /// # Safety
    /// * As for [`new`](Self::new); the former memory is still there.
    /// * The new queue has room for all pending entries.
    pub(crate) unsafe fn move_to(&mut self, memory: &RingMemory, params: &Params) {
        self.refresh_head();
        // SAFETY: the caller says so.
        let mut new: Self = unsafe { Self::new(memory, params) };
        for step in 0..self.backlog() {
            let index = self.head.wrapping_add(step);
            // SAFETY: the masked index is within the former entries.
            let from = unsafe { self.sqes.add((index & self.mask) as usize) };
            // SAFETY: the masked index is within the new entries.
            let to = unsafe { new.sqes.add((index & new.mask) as usize) };
            // SAFETY: an entry that was pushed, which nobody writes now.
            let entry = unsafe { from.read() };
            // SAFETY: an entry of the new queue, which the kernel does not look at yet.
            unsafe { to.write(entry) };
        }
        new.head = self.head;
        new.set_tail(self.tail());
        new.publish();
        *self = new;
    }

    /// Takes no more entries, because the kernel no longer looks at this memory.
    pub(crate) fn close(&mut self) {
        self.refresh_head();
        self.entries = self.backlog();
        self.stop = self.next;
    }

    /// At a stop: looks at the kernel's head again, goes on at the first place after the last, and
    /// sets the next stop. Out of line: it happens once in a queue's length.
    #[cold]
    fn find_room(&mut self) -> bool {
        self.refresh_head();
        let free = self.entries - self.backlog();
        self.set_tail(self.tail());
        let run = free.min(self.mask + 1 - (self.tail() as u32 & self.mask));
        // SAFETY: at most the end of the entries.
        self.stop = unsafe { self.next.add(run as usize) };
        free > 0
    }

    /// Goes on with another tail. The next push looks for room.
    fn set_tail(&mut self, tail: u64) {
        let at = tail as u32 & self.mask;
        self.lap = tail - u64::from(at);
        // SAFETY: the masked index is within the entries.
        self.next = unsafe { self.sqes.add(at as usize) };
        self.stop = self.next;
    }

    /// The index of the next entry to be pushed, which never wraps.
    #[inline]
    pub(crate) fn tail(&self) -> u64 {
        let bytes = self.next.as_ptr().addr() - self.sqes.as_ptr().addr();
        self.lap + (bytes / size_of::<S::Slot>()) as u64
    }

    /// Room for that many entries.
    pub(crate) fn space_left(&self) -> u32 {
        self.entries - self.pending()
    }

    /// As [`pending`](Self::pending), as far as the kernel's head was seen.
    #[inline]
    pub(crate) fn backlog(&self) -> u32 {
        (self.tail() as u32).wrapping_sub(self.head)
    }

    /// Entries pushed that the kernel has not consumed.
    pub(crate) fn pending(&self) -> u32 {
        let head = handover::consumed(&*self.shared_head);
        (self.tail() as u32).wrapping_sub(head)
    }

    /// The entry that is `nth` of those that the kernel has not consumed. Not with a submission
    /// thread, which reads them at any time.
    pub(crate) fn unconsumed(&mut self, nth: u32) -> Option<&mut S::Slot> {
        self.refresh_head();
        if nth >= self.backlog() {
            return None;
        }
        let index = (self.head.wrapping_add(nth) & self.mask) as usize;
        // SAFETY: the masked index is within the `entries` entries.
        let mut sqe = unsafe { self.sqes.add(index) };
        // SAFETY: initialised when it was pushed, and the kernel reads it in calls of this thread
        // alone, which take `&mut self`.
        Some(unsafe { sqe.as_mut() })
    }

    /// Gives all pushed entries to the kernel. Returns how many wait to be consumed, as far as was
    /// seen: only a submission thread consumes between two calls of the kernel.
    #[inline]
    pub(crate) fn publish(&mut self) -> u32 {
        wakeup::publish(&*self.shared_tail, self.tail() as u32);
        self.backlog()
    }

    /// Entries that were pushed since the tail was last published.
    pub(crate) fn unpublished(&self) -> u32 {
        // ORDERING: relaxed; only this side writes the tail.
        let published = self.shared_tail.load(Ordering::Relaxed);
        (self.tail() as u32).wrapping_sub(published)
    }

    /// Looks at the kernel's head and says by how much it moved since last time.
    #[inline]
    pub(crate) fn refresh_head(&mut self) -> u32 {
        let head = handover::consumed(&*self.shared_head);
        let moved = head.wrapping_sub(self.head);
        self.head = head;
        moved
    }

    /// What the kernel says of the queue.
    #[inline]
    pub(crate) fn flags(&self) -> SqFlags {
        // ORDERING: relaxed; a flag only asks for an enter, and the enter itself orders the rest.
        SqFlags(self.shared_flags.load(Ordering::Relaxed))
    }

    /// Whether the submission thread sleeps, asked after a tail was published.
    pub(crate) fn needs_wakeup(&self) -> bool {
        wakeup::is_needed(&*self.shared_flags)
    }

    /// Entries the kernel refused because of a bad index; always 0, because the array is the
    /// identity.
    pub(crate) fn dropped(&self) -> u32 {
        // ORDERING: relaxed; a counter.
        self.shared_dropped.load(Ordering::Relaxed)
    }
}

impl Sq<SqeMixed> {
    /// The two free places at the tail, zeroed, as one entry of 128 bytes; it counts as pushed.
    /// `None` if there are no two.
    ///
    /// An entry must not wrap around the end, so a NOP without a completion fills the last place.
    /// It is linked if the entry before it is, else it would end that chain.
    pub(crate) fn vacant_wide(&mut self) -> Option<&mut Sqe128> {
        self.refresh_head();
        if self.tail() as u32 & self.mask == self.mask && self.backlog() < self.entries {
            let filler = SqeFlags::CQE_SKIP_SUCCESS | self.link_at_tail();
            self.vacant()?.flags = filler;
        }
        if self.entries - self.backlog() < 2 {
            return None;
        }
        let index = (self.tail() as u32 & self.mask) as usize;
        // SAFETY: the masked index is within the entries, and so is the next one, because this one
        // is not the last.
        let mut sqe = unsafe { self.sqes.add(index) }.cast::<Sqe128>();
        // SAFETY: both places lie outside head..tail, so the kernel does not touch them; an entry
        // of 128 bytes has the alignment of one of 64.
        unsafe { sqe.write(<Sqe128 as Slots>::ZERO) };
        self.set_tail(self.tail() + 2);
        // SAFETY: initialised just now, and ours alone until the tail is published, which takes
        // `&mut self` and so ends this borrow.
        Some(unsafe { sqe.as_mut() })
    }

    /// The links of the entry before the tail, if that can still be the middle of a chain: a chain
    /// ends with its submission.
    fn link_at_tail(&self) -> SqeFlags {
        if self.unpublished() == 0 {
            return SqeFlags::EMPTY;
        }
        let index = ((self.tail() as u32).wrapping_sub(1) & self.mask) as usize;
        // SAFETY: the masked index is within the entries.
        let last = unsafe { self.sqes.add(index) };
        // SAFETY: it was pushed, so it is initialised, and is not published, so nobody writes it.
        let flags = unsafe { last.read() }.flags;
        SqeFlags(flags.0 & (SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK).0)
    }
}

/// Free entries next to each other at the tail of the queue, to be filled one by one and pushed all
/// together, or not at all.
///
/// Dropping it gives them back; nothing was pushed.
#[must_use = "entries that are not pushed are given back"]
pub struct Reservation<'ring, S: SqeShape = Sqe> {
    sq: &'ring mut Sq<S>,
    count: u32,
}

impl<S: SqeShape> Reservation<'_, S> {
    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An entry, zeroed unless it was filled before.
    ///
    /// # Panics
    /// If there are no more than `index`.
    pub fn entry(&mut self, index: u32) -> &mut S::Slot {
        assert!(index < self.count, "entry {index} of a reservation of {}", self.count);
        // SAFETY: `index` is less than the count.
        let mut slot = unsafe { self.slot(index) };
        // SAFETY: initialised when it was reserved, and ours alone as long as `self` is borrowed.
        unsafe { slot.as_mut() }
    }

    /// Pushes all of them, in their order. The kernel gets them with the next submit.
    pub fn push(self) {
        self.sq.set_tail(self.sq.tail() + u64::from(self.count));
    }

    /// # Safety
    /// * `index` is less than the count.
    unsafe fn slot(&self, index: u32) -> NonNull<S::Slot> {
        let at = (self.sq.tail() as u32).wrapping_add(index) & self.sq.mask;
        // SAFETY: the masked index is within the entries.
        unsafe { self.sq.sqes.add(at as usize) }
    }
}

impl<S: SqeShape> core::fmt::Debug for Reservation<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reservation").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Entries that are written before they are pushed: what a chain is made of.
impl Sq {
    /// Whether that many entries are free.
    pub(crate) fn has_room(&mut self, count: u32) -> bool {
        if self.entries - self.backlog() < count {
            self.refresh_head();
        }
        self.entries - self.backlog() >= count
    }

    /// The entry `ahead` places behind the tail, as it is. It must be free, which
    /// [`has_room`](Self::has_room) says, and does not count as pushed.
    #[inline]
    pub(crate) fn ahead(&mut self, ahead: u32) -> &mut Sqe {
        assert!(self.backlog() + ahead < self.entries, "an entry that is not free was asked for");
        let index = ((self.tail() as u32).wrapping_add(ahead) & self.mask) as usize;
        // SAFETY: the masked index is within the `entries` entries.
        let mut sqe = unsafe { self.sqes.add(index) };
        // SAFETY: the slot is mapped, zeroed by the kernel at first and written by this side alone
        // since; it lies outside head..tail, so the kernel does not touch it, and publishing it
        // takes `&mut self` and so ends this borrow.
        unsafe { sqe.as_mut() }
    }

    /// As [`ahead`](Self::ahead), zeroed.
    #[inline]
    pub(crate) fn blank_ahead(&mut self, ahead: u32) -> &mut Sqe {
        let sqe = self.ahead(ahead);
        *sqe = Sqe::default();
        sqe
    }

    /// Counts so many entries behind the tail, which were written ahead, as pushed.
    #[inline]
    pub(crate) fn advance(&mut self, count: u32) {
        debug_assert!(self.backlog() + count <= self.entries, "more was written than was free");
        self.set_tail(self.tail() + u64::from(count));
    }
}

#[cfg(test)]
mod tests;
