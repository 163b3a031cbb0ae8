//! What one thread holds of a shared ring: room, slots, and entries that nobody else knows of yet.
//!
//! Owns: [`Submitter`]. Does not own: the queues. Invariants: an entry that was pushed and not
//! committed is this thread's, and is given up with it; room and slots are kept only while a batch
//! is being filled, so an idle submitter holds nothing that another could need.

use core::{cell::Cell, fmt, marker::PhantomData, time::Duration};
use std::{io, sync::Arc, time::Instant};

use annulus_abi::{Sqe, SqeFlags};

use super::{
    Inner, OpenChain, PushError, SharedRing, SubmitError, once, slots::Taken, submission::Batch,
};
use crate::Op;

/// One thread's way into a [`SharedRing`].
///
/// Entries are pushed into a batch of its own and are nobody's business until they are submitted;
/// then the whole batch goes to the kernel as one piece. So a batch costs two or three locked
/// instructions, and each entry of it none. It is `Send`, and not `Sync`: make one for each thread.
///
/// Dropping it gives up what was pushed and not submitted, as dropping a [`Ring`](crate::Ring)
/// does: the kernel never sees it. A thread that panics leaves nothing behind.
///
/// ```
/// fn send<T: Send>() {}
/// send::<annulus_ring::Submitter>();
/// ```
///
/// ```compile_fail
/// fn sync<T: Sync>() {}
/// sync::<annulus_ring::Submitter>();
/// ```
pub struct Submitter {
    inner: Arc<Inner>,
    batch: Batch,
    /// Slots that were taken and not filled; room for one of each word, so it never grows.
    slots: Vec<Taken>,
    /// How many slots these are.
    free: u32,
    /// Credits for entries that are not pushed yet.
    credits: u32,
    /// Entries of the last batch: how much is taken at once.
    usual: u32,
    /// The word of slots that is looked at first.
    home: u32,
    /// The last entry pushed is linked to one that is missing.
    open: bool,
    _of_one_thread: PhantomData<Cell<()>>,
}

/// How often a wait for slots looks whether a submission thread has consumed some.
const LOOK: Duration = Duration::from_millis(1);

/// Flags that tie an entry to the one after it.
const LINKS: SqeFlags = SqeFlags(SqeFlags::IO_LINK.0 | SqeFlags::IO_HARDLINK.0);

impl Submitter {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let words = inner.params.sq_entries.div_ceil(u64::BITS);
        Self {
            batch: Batch::default(),
            slots: Vec::with_capacity(words as usize + 1),
            free: 0,
            credits: 0,
            usual: 1,
            // Threads that begin at different words meet less often.
            home: Arc::strong_count(&inner) as u32 % words,
            open: false,
            inner,
            _of_one_thread: PhantomData,
        }
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> SharedRing {
        SharedRing { inner: self.inner.clone() }
    }

    /// Entries pushed and not submitted.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.batch.len()
    }

    /// Whether nothing was pushed since the last submission.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // --- Room ------------------------------------------------------------------------------------

    /// Makes sure that the next `count` entries find room, so that none of their pushes is
    /// [`PushError::Full`]. Takes all of it or nothing.
    ///
    /// # Errors
    /// [`PushError::Full`], [`PushError::TooMany`].
    pub fn reserve(&mut self, count: u32) -> Result<(), PushError> {
        let most = self.inner.capacity.min(self.inner.params.sq_entries);
        if count > most {
            return Err(PushError::TooMany { most });
        }
        if self.find(count) {
            return Ok(());
        }
        if self.inner.has_sq_thread {
            self.look_what_was_consumed();
            if self.find(count) {
                return Ok(());
            }
        }
        self.release();
        Err(PushError::Full)
    }

    /// As [`reserve`](Self::reserve), but waits for room: submits what this thread has pushed, and
    /// sleeps until other threads have reaped, or the time is over.
    ///
    /// Somebody else must reap meanwhile.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`]; [`PushError::TooMany`] and [`SubmitError`] as their
    /// `io::Error`.
    pub fn wait_for_room(&mut self, count: u32, timeout: Option<Duration>) -> io::Result<()> {
        match self.reserve(count) {
            Err(PushError::Full) => {}
            other => return Ok(other?),
        }
        self.submit()?;
        let inner = self.inner.clone();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        // Each is looked for on its own, so that a submission wakes nobody who waits for a reaper.
        let credits = inner.room.wait(timeout, || {
            let found = self.find_credits(count);
            self.put_back_unless(found)
        });
        let slots = credits.and_then(|()| self.wait_for_slots(count, deadline));
        if slots.is_none() {
            self.release();
        }
        slots.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    fn wait_for_slots(&mut self, count: u32, deadline: Option<Instant>) -> Option<()> {
        let inner = self.inner.clone();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // A submission thread does not tell when it has consumed.
            let pause = inner.has_sq_thread.then_some(LOOK);
            if inner.has_sq_thread {
                self.look_what_was_consumed();
            }
            let wait = [left, pause].into_iter().flatten().min();
            let found = inner.slots_made.wait(wait, || {
                let found = self.find_slots(count);
                self.put_back_unless(found)
            });
            if found.is_some() || pause.is_none() || left.is_some_and(|left| left.is_zero()) {
                return found;
            }
        }
    }

    /// While this thread waits, it keeps nothing that another could wait for. Nobody else looks
    /// meanwhile, so nobody is woken.
    fn put_back_unless(&mut self, found: bool) -> Option<()> {
        if !found {
            self.put_slots_back();
        }
        found.then_some(())
    }

    /// Whether there is room for `count` entries: takes what is missing, as far as it is there.
    #[inline]
    fn find(&mut self, count: u32) -> bool {
        self.find_credits(count) && self.find_slots(count)
    }

    /// The credits: all that are missing, or none.
    #[inline]
    fn find_credits(&mut self, count: u32) -> bool {
        if self.credits < count {
            let most = count.max(self.usual) - self.credits;
            self.credits += self.inner.room.take_at_least(count - self.credits, most);
        }
        self.credits >= count
    }

    /// The slots, as far as they are there.
    #[inline]
    fn find_slots(&mut self, count: u32) -> bool {
        let most = count.max(self.usual);
        while self.free < count {
            let Some(taken) = self.inner.sq.slots().take(most - self.free, self.home) else {
                return false;
            };
            self.home = taken.word;
            self.free += taken.len();
            match self.slots.last_mut() {
                Some(last) if last.word == taken.word => last.bits |= taken.bits,
                _ => self.slots.push(taken),
            }
        }
        true
    }

    /// Gives back slots that a submission thread has consumed. Not where slots are waited for:
    /// whoever waits is told.
    fn look_what_was_consumed(&self) {
        // An error is of the call that wakes the thread, and comes again with the next submission.
        let _ = self.inner.submit();
    }

    fn put_slots_back(&mut self) {
        for taken in self.slots.drain(..) {
            if taken.bits != 0 {
                self.inner.sq.slots().give(taken);
            }
        }
        self.free = 0;
    }

    /// Returns room and slots that no entry has.
    #[inline]
    fn release(&mut self) {
        if self.free > 0 {
            self.put_slots_back();
            self.inner.slots_made.made();
        }
        if self.credits > 0 {
            self.inner.room.give(core::mem::take(&mut self.credits));
        }
    }

    // --- Pushing ---------------------------------------------------------------------------------

    /// Pushes a typed operation.
    ///
    /// # Errors
    /// [`PushError`].
    ///
    /// # Safety
    /// * As for [`push_sqe`](Self::push_sqe).
    #[inline]
    pub unsafe fn push<O: Op>(&mut self, op: &O, user_data: u64) -> Result<(), PushError> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.push_with_flags(op, user_data, SqeFlags::EMPTY) }
    }

    /// Pushes a typed operation with more flags: linked, drained, at once to a worker.
    ///
    /// # Errors
    /// [`PushError`].
    ///
    /// # Safety
    /// * As for [`push_sqe`](Self::push_sqe).
    #[inline]
    pub unsafe fn push_with_flags<O: Op>(
        &mut self,
        op: &O,
        user_data: u64,
        flags: SqeFlags,
    ) -> Result<(), PushError> {
        let mut sqe = Sqe::default();
        op.encode(&mut sqe);
        sqe.user_data = user_data;
        sqe.flags |= flags;
        // SAFETY: the caller's promise is passed on.
        unsafe { self.push_sqe(&sqe) }
    }

    /// Pushes a copy of an entry.
    ///
    /// # Errors
    /// [`PushError`].
    ///
    /// # Safety
    /// * The entry describes memory that stays valid, and is accessed as the operation allows, from
    ///   the next [`submit`](Self::submit) or [`commit`](Self::commit) until its completion.
    #[inline]
    pub unsafe fn push_sqe(&mut self, sqe: &Sqe) -> Result<(), PushError> {
        if !once::completes_once(sqe) {
            return Err(PushError::Completions(sqe.opcode));
        }
        if self.credits == 0 || self.free == 0 {
            self.reserve(1)?;
        }
        self.append(sqe);
        Ok(())
    }

    /// Pushes a chain: each entry begins when the one before it has succeeded. All or nothing. The
    /// links are set here; [`SqeFlags::IO_HARDLINK`] on an entry stays.
    ///
    /// # Errors
    /// [`PushError`].
    ///
    /// # Safety
    /// * As for [`push_sqe`](Self::push_sqe), for each entry.
    pub unsafe fn push_chain(&mut self, chain: &[Sqe]) -> Result<(), PushError> {
        if let Some(sqe) = chain.iter().find(|sqe| !once::completes_once(sqe)) {
            return Err(PushError::Completions(sqe.opcode));
        }
        self.reserve(u32::try_from(chain.len()).unwrap_or(u32::MAX))?;
        let Some((last, linked)) = chain.split_last() else {
            return Ok(());
        };
        for sqe in linked {
            let mut sqe = *sqe;
            if !sqe.flags.intersects(LINKS) {
                sqe.flags |= SqeFlags::IO_LINK;
            }
            self.append(&sqe);
        }
        let mut last = *last;
        last.flags = last.flags.without(LINKS);
        self.append(&last);
        Ok(())
    }

    /// Fills a slot, of which there is one.
    #[inline]
    fn append(&mut self, sqe: &Sqe) {
        let slot = loop {
            let last = self.slots.last_mut().expect("room was found before an entry is appended");
            match last.pop() {
                Some(slot) => break slot,
                None => drop(self.slots.pop()),
            }
        };
        self.free -= 1;
        self.credits -= 1;
        self.open = sqe.flags.intersects(LINKS);
        // SAFETY: the slot was taken by this submitter, and is in no batch.
        unsafe { self.inner.sq.fill(&mut self.batch, slot, sqe) };
    }

    // --- Submitting ------------------------------------------------------------------------------

    /// Commits the batch: whoever submits next, on any thread, takes it along. Returns how many
    /// entries wait for that.
    ///
    /// # Errors
    /// [`OpenChain`].
    #[inline]
    pub fn commit(&mut self) -> Result<u32, OpenChain> {
        if self.open {
            return Err(OpenChain);
        }
        self.usual = self.batch.len().max(1);
        let waiting = self.inner.sq.commit(&mut self.batch);
        self.release();
        Ok(waiting)
    }

    /// Commits the batch and submits; see [`SharedRing::submit`].
    ///
    /// # Errors
    /// [`SubmitError`].
    #[inline]
    pub fn submit(&mut self) -> Result<u32, SubmitError> {
        self.commit()?;
        Ok(self.inner.submit()?)
    }

    /// Gives up what was pushed since the last submission: the kernel never sees it.
    pub fn discard(&mut self) {
        self.credits += self.batch.len();
        self.inner.sq.discard(&mut self.batch);
        self.open = false;
        self.release();
    }
}

impl Drop for Submitter {
    fn drop(&mut self) {
        self.discard();
    }
}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter").field("len", &self.len()).finish_non_exhaustive()
    }
}
