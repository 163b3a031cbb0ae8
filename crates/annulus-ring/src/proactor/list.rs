//! What many threads post and one thread takes: places, and marks beside them.
//!
//! Posting is one compare-and-swap, taking all of it one exchange. A place is linked through a word
//! of its own, so nothing is allocated; it is posted again only after it was taken and its link was
//! read. The newest is at the head; whoever takes turns the list round.
//!
//! Owns: [`List`]. Does not own: the links, nor waiting. Invariant: marks that are taken were set
//! after all that their thread had posted before, which is taken with them or was taken earlier.

use core::sync::atomic::Ordering;

use crate::shared::sync::{AtomicU32, AtomicU64};

/// Places posted by many threads, and marks.
pub struct List {
    /// Marks (upper half), and the place that was posted last plus 1; 0 for none.
    word: AtomicU64,
}

/// What was taken from a list, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Posted {
    /// The next place plus 1; 0 for none.
    next: u32,
    /// The marks that were set.
    pub marks: u32,
}

impl List {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// Posts a place, through its link. It is in no list.
    #[inline]
    pub fn post(&self, place: u32, link: &AtomicU32) {
        // ORDERING: relaxed; the exchange below reads it again.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // ORDERING: relaxed; published by the exchange below.
            link.store(word as u32, Ordering::Relaxed);
            let new = word >> 32 << 32 | u64::from(place + 1);
            // ORDERING: release pairs with the acquire of `take`: the place is seen as it was when
            // it was posted, and its link; later posts and marks continue the release sequence.
            // Relaxed if it fails.
            match self.word.compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Sets marks.
    #[inline]
    pub fn mark(&self, marks: u32) {
        // ORDERING: release, as for `post`: what was posted before is seen.
        self.word.fetch_or(u64::from(marks) << 32, Ordering::Release);
    }

    /// Takes everything.
    #[inline]
    pub fn take<'a>(&self, link: impl Fn(u32) -> &'a AtomicU32) -> Posted {
        // ORDERING: relaxed; only whether there is something, and the exchange reads it again. Who
        // sleeps after this has a fence between its announcement and this.
        if self.word.load(Ordering::Relaxed) == 0 {
            return Posted::default();
        }
        // ORDERING: acquire pairs with the release of `post` and `mark`.
        let word = self.word.swap(0, Ordering::Acquire);
        let (mut newest, mut next) = (word as u32, 0);
        while newest != 0 {
            let link = link(newest - 1);
            // ORDERING: relaxed; acquired with the list.
            let older = link.load(Ordering::Relaxed);
            // ORDERING: relaxed; the list is this thread's now.
            link.store(next, Ordering::Relaxed);
            next = newest;
            newest = older;
        }
        Posted { next, marks: (word >> 32) as u32 }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl Posted {
    /// Whether no place is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// The oldest place, which is in no list any more.
    #[inline]
    pub fn pop<'a>(&mut self, link: impl Fn(u32) -> &'a AtomicU32) -> Option<u32> {
        let place = self.next.checked_sub(1)?;
        // ORDERING: relaxed; written by this thread, in `take`.
        self.next = link(place).load(Ordering::Relaxed);
        Some(place)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
