//! Many threads submit: free slots, a list of what is committed, and one thread at a time that
//! gives the list to the kernel.
//!
//! ```text
//!   free slots --take--> a thread's own --commit--> committed --publish--> index array --kernel--+
//!       ^                 (writes them)              (a list)    (leader)                        |
//!       +------------------------------------- reclaim (leader) --------------------------------+
//! ```
//!
//! The index array lets entries reach the kernel in another order than that of their slots. So a
//! slot is taken from a set and filled at leisure, and what is filled is linked into a list with
//! one compare-and-swap, a batch as one piece. Whoever submits becomes the *leader*, unless there
//! is one: takes the whole list, writes the indices, publishes the tail once, and enters. A thread
//! that finds a leader marks that there is more and goes: the leader looks again before it resigns.
//!
//! | a thread is preempted, or dies, | then |
//! |---|---|
//! | with slots taken | it has those slots; nobody waits for it |
//! | in the middle of a commit | nothing is committed; nobody waits for it |
//! | as the leader | others go on taking, filling and committing; the kernel sees it when the leader goes on (if it panics, the role is given up) |
//!
//! So taking and committing are lock-free; being submitted is blocking in the leader's window,
//! which is the same as the kernel's: it holds the ring's mutex during a submission.
//!
//! With a submission thread the leader does not enter, but wakes the thread if it sleeps; the
//! thread consumes when it likes. What it has consumed is given back by the next leader, so whoever
//! is in want of slots leads.
//!
//! Owns: slots, list, role, tail. Does not own: how many requests are in flight
//! ([`room`](super::room)), the call of the kernel, what an entry says. Invariants: the kernel sees
//! an index only of an entry that is whole; entries of one commit are adjacent and in order, and so
//! are commits of one thread; the tail is published only between commits. Mirrors the submission
//! half of io_uring(7).

use core::sync::atomic::Ordering;

use super::{
    memory::SqMemory,
    slots::{Slots, Taken},
    sync::{AtomicU32, AtomicU64},
};
use crate::wakeup::{self, SharedWord};

/// The user side of a submission ring that many threads fill.
pub struct Submission<M> {
    memory: M,
    slots: Slots,
    /// For each slot in a list, the slot that was filled before it, plus 1; 0 for the first.
    before: Box<[AtomicU32]>,
    /// The list of what is committed: how many (upper half), and the last slot plus 1.
    committed: AtomicU64,
    role: AtomicU32,
    /// The tail that was published last. The leader's.
    tail: AtomicU32,
    /// Up to where slots were given back. The leader's.
    reclaimed: AtomicU32,
}

/// Nobody leads.
const VACANT: u32 = 0;
/// Somebody leads.
const LED: u32 = 1;
/// Somebody leads, and somebody else has committed since.
const AGAIN: u32 = 3;

/// Entries that one thread has filled and nobody else knows of, oldest first.
#[derive(Debug, Default)]
pub struct Batch {
    first: u32,
    last: u32,
    len: u32,
}

impl Batch {
    /// How many they are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }
}

impl<M: SqMemory> Submission<M> {
    /// The queue in `memory`, starting where its tail stands; nothing is pending there.
    #[must_use]
    pub fn new(memory: M) -> Self {
        let entries = memory.entries();
        // ORDERING: relaxed; only this side writes the tail, and nothing is shared yet.
        let tail = memory.tail().read(Ordering::Relaxed);
        Self {
            slots: Slots::full(entries),
            before: (0..entries).map(|_| AtomicU32::new(0)).collect(),
            committed: AtomicU64::new(0),
            role: AtomicU32::new(VACANT),
            tail: AtomicU32::new(tail),
            reclaimed: AtomicU32::new(tail),
            memory,
        }
    }

    /// The memory, for whoever plays the kernel.
    #[cfg(any(test, loom))]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The free slots.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Fills a slot and appends it to a batch.
    ///
    /// # Safety
    /// * `slot` was taken from [`slots`](Self::slots) by this thread and is in no batch.
    #[inline]
    pub unsafe fn fill(&self, batch: &mut Batch, slot: u32, entry: &M::Entry) {
        // SAFETY: the caller says that it has the slot.
        unsafe { self.memory.write(slot, entry) };
        if batch.len == 0 {
            batch.first = slot;
        } else {
            // ORDERING: relaxed; the slot is this thread's until the batch is committed.
            self.before[slot as usize].store(batch.last + 1, Ordering::Relaxed);
        }
        batch.last = slot;
        batch.len += 1;
    }

    /// Gives a batch up: its slots are free again and the kernel never sees them.
    pub fn discard(&self, batch: &mut Batch) {
        let mut slot = batch.last;
        for left in (0..batch.len).rev() {
            // ORDERING: relaxed; written by this thread.
            let before = self.before[slot as usize].load(Ordering::Relaxed);
            self.slots.give(Taken::one(slot));
            if left > 0 {
                slot = before - 1;
            }
        }
        *batch = Batch::default();
    }

    /// Commits a batch: whoever leads next gives it to the kernel, as one piece. Returns how many
    /// entries are committed and not published.
    #[inline]
    pub fn commit(&self, batch: &mut Batch) -> u32 {
        // ORDERING: relaxed; the exchange below reads it again.
        let mut list = self.committed.load(Ordering::Relaxed);
        if batch.len == 0 {
            return count_of(list);
        }
        let commit = loop {
            // ORDERING: relaxed; published by the exchange below.
            self.before[batch.first as usize].store(list as u32, Ordering::Relaxed);
            let new = u64::from(count_of(list) + batch.len) << 32 | u64::from(batch.last + 1);
            // ORDERING: release pairs with the acquire of `publish`: who takes the list sees the
            // entries whole, and the links; later commits continue the release sequence. Relaxed
            // if it fails.
            match self.committed.compare_exchange_weak(
                list,
                new,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break new,
                Err(now) => list = now,
            }
        };
        *batch = Batch::default();
        count_of(commit)
    }

    /// How many entries are committed that no leader has published yet.
    #[inline]
    pub fn committed(&self) -> u32 {
        // ORDERING: relaxed; a number that may be old. Whoever must not miss a commit has a fence
        // of its own between its announcement and this.
        count_of(self.committed.load(Ordering::Relaxed))
    }

    /// How many entries the kernel has been shown and has not consumed.
    #[inline]
    pub fn unconsumed(&self) -> u32 {
        // ORDERING: relaxed; both may be old.
        let tail = self.memory.tail().read(Ordering::Relaxed);
        // ORDERING: relaxed, as above.
        tail.wrapping_sub(self.memory.head().read(Ordering::Relaxed))
    }

    /// Whether the submission thread sleeps.
    #[inline]
    pub fn thread_sleeps(&self) -> bool {
        wakeup::is_needed(self.memory.flags())
    }

    /// Becomes the leader; or, if there is one, makes sure that it sees what this thread has
    /// committed.
    #[inline]
    pub fn lead(&self) -> Option<Leader<'_, M>> {
        // ORDERING: acquire pairs with the release of `resign`: the former leader's tail and
        // reclaimed position. Relaxed if it fails.
        let free =
            self.role.compare_exchange(VACANT, LED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if free {
            return Some(Leader { queue: self });
        }
        // ORDERING: acquire as above, if the role has become free; release pairs with the acquire
        // of `resign`, whose leader then takes a list that has our commit.
        let former = self.role.fetch_or(AGAIN, Ordering::AcqRel);
        // Not `then_some`, which would make a leader in any case, and drop it.
        (former == VACANT).then(|| Leader { queue: self })
    }
}

/// How many entries a word of the list says there are.
#[inline]
fn count_of(list: u64) -> u32 {
    (list >> 32) as u32
}

/// The one thread that gives entries to the kernel.
pub struct Leader<'queue, M: SqMemory> {
    queue: &'queue Submission<M>,
}

impl<M: SqMemory> Leader<'_, M> {
    /// Shows the kernel all that is committed. Returns how many entries it has to consume.
    #[inline]
    pub fn publish(&self) -> u32 {
        let queue = self.queue;
        // ORDERING: relaxed; only leaders write it, and becoming one acquired it.
        let mut tail = queue.tail.load(Ordering::Relaxed);
        // ORDERING: acquire pairs with the release of `commit`, of each batch in the list.
        let list = queue.committed.swap(0, Ordering::Acquire);
        if list != 0 {
            let count = count_of(list);
            let mut slot = (list as u32).wrapping_sub(1);
            for position in (0..count).rev() {
                let word = queue.memory.index(tail.wrapping_add(position));
                // ORDERING: relaxed; the release of the tail publishes it to the kernel.
                word.write(slot, Ordering::Relaxed);
                // ORDERING: relaxed; acquired with the list.
                slot = queue.before[slot as usize].load(Ordering::Relaxed).wrapping_sub(1);
            }
            tail = tail.wrapping_add(count);
            // ORDERING: relaxed; the next leader acquires it with the role.
            queue.tail.store(tail, Ordering::Relaxed);
            wakeup::publish(queue.memory.tail(), tail);
        }
        // ORDERING: relaxed; only how many are left, nothing is overwritten for it.
        tail.wrapping_sub(queue.memory.head().read(Ordering::Relaxed))
    }

    /// Whether the submission thread has fallen asleep over what was published.
    #[inline]
    pub fn must_wake(&self) -> bool {
        self.queue.thread_sleeps()
    }

    /// Gives back the slots of entries that the kernel has consumed. Returns how many.
    #[inline]
    pub fn reclaim(&self) -> u32 {
        let queue = self.queue;
        // ORDERING: acquire pairs with the kernel's release of the head: it has read those entries,
        // so they may be overwritten.
        let head = queue.memory.head().read(Ordering::Acquire);
        // ORDERING: relaxed; only leaders write it, and becoming one acquired it.
        let from = queue.reclaimed.load(Ordering::Relaxed);
        let count = head.wrapping_sub(from);
        let mut group = Taken::default();
        for step in 0..count {
            // ORDERING: relaxed; written by this thread or by a leader before it.
            let slot = queue.memory.index(from.wrapping_add(step)).read(Ordering::Relaxed);
            let one = Taken::one(slot);
            if one.word != group.word && group.bits != 0 {
                queue.slots.give(group);
                group.bits = 0;
            }
            group = Taken { word: one.word, bits: group.bits | one.bits };
        }
        if group.bits != 0 {
            queue.slots.give(group);
        }
        // ORDERING: relaxed; the next leader acquires it with the role.
        queue.reclaimed.store(head, Ordering::Relaxed);
        count
    }

    /// Gives the role up, or keeps it if something may have been committed since the last
    /// [`publish`](Self::publish).
    #[inline]
    pub fn resign(self) -> Option<Self> {
        let role = &self.queue.role;
        // ORDERING: release pairs with the acquire of `lead`; relaxed if it fails, because the swap
        // below reads it again.
        if role.compare_exchange(LED, VACANT, Ordering::Release, Ordering::Relaxed).is_ok() {
            core::mem::forget(self);
            return None;
        }
        // ORDERING: acquire pairs with the release of a `lead` that left word: its commit is seen
        // by the next `publish`. Release, because a later `lead` that acquires must not be told
        // less than the first would have been.
        role.swap(LED, Ordering::AcqRel);
        Some(self)
    }
}

impl<M: SqMemory> Drop for Leader<'_, M> {
    /// Gives the role up, whatever was said meanwhile: the leader failed.
    fn drop(&mut self) {
        // ORDERING: release pairs with the acquire of `lead`.
        self.queue.role.swap(VACANT, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
