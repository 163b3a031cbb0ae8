//! Cancels that have to be asked for again, because the kernel may have forgotten them.
//!
//! A request that a worker thread of the kernel has begun cannot be taken away from it. The cancel
//! says EALREADY and leaves a mark, and the worker is interrupted. But a worker that has looked for
//! the mark and finds that its request would have to wait for a descriptor hands it to poll, which
//! does not look: mark and interruption are lost, and the request waits as if nobody had asked.
//! Then nothing but another cancel ends it.
//!
//! A cancel that finds nothing (ENOENT) is repeated at once, because its request is on the way from
//! one of the kernel's lists to another. If it is not found there either, a few times in a row, it
//! is asked for as seldom as the others: a core must not do nothing else.
//!
//! Owns: which requests are asked again, and when: after a millisecond, then each time after twice
//! as long, up to 64. Does not own: what is being cancelled (slots and records know). Invariants: a
//! request is in the list only after a cancel of it has said EALREADY or ENOENT; it leaves the list
//! when a cancel says anything else, or when its turn comes and it has ended; time is that of the
//! kernel, also while the core's clock is paused, because the worker's is.

use annulus_ring::Kernel as _;

use super::State;

/// How long the first pause is.
const FIRST_NS: u64 = 1_000_000;
/// How often it is doubled, at most.
const DOUBLINGS: u32 = 6;
/// How often a cancel that finds nothing is repeated at once.
const AT_ONCE: u32 = 8;
/// When an entry is due whose cancel is on its way.
const NEVER_NS: u64 = u64::MAX;

/// The requests to be asked again.
#[derive(Debug, Default)]
pub(crate) struct Again {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The user data of the request.
    victim: u64,
    due_ns: u64,
    times: u32,
    /// Cancels that found nothing.
    missed: u32,
}

impl Again {
    /// How many are to be asked again.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none, which is almost always.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A cancel of this request has come too late, and the request has not ended.
    #[cold]
    fn note(&mut self, victim: u64, now_ns: u64) {
        let entry = self.entry(victim);
        entry.due_ns = now_ns.saturating_add(FIRST_NS << entry.times);
        entry.times = (entry.times + 1).min(DOUBLINGS);
    }

    /// A cancel has not found this request, which has not ended. True if that is no accident any
    /// more.
    #[cold]
    fn miss(&mut self, victim: u64) -> bool {
        let entry = self.entry(victim);
        entry.missed = entry.missed.saturating_add(1);
        entry.missed > AT_ONCE
    }

    fn entry(&mut self, victim: u64) -> &mut Entry {
        let position = self.entries.iter().position(|entry| entry.victim == victim);
        let position = position.unwrap_or_else(|| {
            self.entries.push(Entry { victim, due_ns: NEVER_NS, times: 0, missed: 0 });
            self.entries.len() - 1
        });
        &mut self.entries[position]
    }

    /// This request has ended, or is not to be cancelled any more.
    #[inline]
    fn forget(&mut self, victim: u64) {
        self.entries.retain(|entry| entry.victim != victim);
    }

    /// When the next request is due.
    fn due_ns(&self) -> u64 {
        self.entries.iter().map(|entry| entry.due_ns).min().unwrap_or(NEVER_NS)
    }

    /// A request that is due; it is not until its cancel has said something.
    fn next(&mut self, now_ns: u64) -> Option<u64> {
        let entry = self.entries.iter_mut().find(|entry| entry.due_ns <= now_ns)?;
        entry.due_ns = NEVER_NS;
        Some(entry.victim)
    }
}

impl State {
    /// A cancel has come too late for a request that has not ended. Asked again soon.
    #[cold]
    pub(crate) fn cancel_again_later(&mut self, victim: u64) {
        let now_ns = self.ring.kernel().now();
        self.again.note(victim, now_ns);
        self.has_chores = true;
    }

    /// A cancel has not found its request, and will not at once.
    #[cold]
    pub(crate) fn is_sought_in_vain(&mut self, victim: u64) -> bool {
        self.has_chores = true;
        self.again.miss(victim)
    }

    /// A cancel needs not be repeated.
    #[inline]
    pub(crate) fn cancel_is_settled(&mut self, victim: u64) {
        if !self.again.is_empty() {
            self.again.forget(victim);
        }
    }

    /// Asks those that are due.
    #[cold]
    pub(crate) fn cancel_again(&mut self) {
        let now_ns = self.ring.kernel().now();
        while let Some(victim) = self.again.next(now_ns) {
            if self.is_asked_to_end(victim) {
                self.push_cancel(victim);
            } else {
                self.again.forget(victim);
            }
        }
    }

    /// How long a wait may last that must not miss the next one.
    #[cold]
    pub(crate) fn until_cancel_again(&mut self, timeout_ns: Option<u64>) -> Option<u64> {
        let due_ns = self.again.due_ns();
        if due_ns == NEVER_NS {
            return timeout_ns;
        }
        let left_ns = due_ns.saturating_sub(self.ring.kernel().now());
        Some(timeout_ns.map_or(left_ns, |timeout_ns| timeout_ns.min(left_ns)))
    }
}

#[cfg(test)]
mod tests;
