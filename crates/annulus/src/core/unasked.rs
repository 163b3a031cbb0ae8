//! Requests that the kernel cancels although nobody has asked.
//!
//! What cannot be done at once and cannot be polled for is done by a worker thread of the kernel.
//! If the first one cannot be started, all that wait for it end with ECANCELED. Starting a thread
//! fails while a signal is pending, and the kernel tries again only a few times: in a process that
//! is interrupted all the time, by a profiler for instance, it happens (Linux 6.18: signals at
//! 2 kHz, one run of the suite's sends in a hundred). So it happens to whoever opens a file, and
//! is nothing that a user could act on.
//!
//! Owns: what is tried again, and how often. Does not own: what was asked to end (slots and records
//! know). Invariants: nothing of such a request was done, so all of it goes to the kernel again,
//! with the same name and in the same place of its queue; a request that is being cancelled is
//! told, and so are a step of a chain, whose neighbours the kernel has cancelled as well, an
//! operation of `op::submit`, which others may have cancelled, and whoever is cancelled too often
//! in a row, because then no worker can be started at all (a limit of processes, no memory).
//!
//! A file that itself answers ECANCELED cannot be told from that. There is one: a timer descriptor
//! that reports a change of the clock (`TFD_TIMER_CANCEL_ON_SET`), once. To hear of it, wait until
//! it is readable and call read(2).

use annulus_ring::abi::Cqe;

use super::State;
use super::key::Key;
use super::table::Lane;

/// How often in a row a request is tried again.
const TRIES: u8 = 16;

/// So many at once are remembered without an allocation: where a machine interrupts, a steady state
/// allocates no more than elsewhere.
const AT_ONCE: usize = 16;

/// The requests that were cancelled and tried again.
#[derive(Debug)]
pub(crate) struct Unasked {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    request: Key,
    tries: u8,
}

impl Unasked {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::with_capacity(AT_ONCE) }
    }

    /// Whether there is none, which is almost always.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether to try once more. Forgets those that are no longer there.
    fn may_try(&mut self, request: Key, mut is_live: impl FnMut(Key) -> bool) -> bool {
        self.entries.retain(|entry| is_live(entry.request));
        let position = self.entries.iter().position(|entry| entry.request == request);
        let position = position.unwrap_or_else(|| {
            self.entries.push(Entry { request, tries: 0 });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[position];
        entry.tries += 1;
        entry.tries <= TRIES
    }

    /// A request got something done.
    #[cold]
    fn forget(&mut self, request: Key) {
        self.entries.retain(|entry| entry.request != request);
    }
}

/// Whether a completion says that its request was cancelled.
#[inline]
pub(crate) fn is_cancelled(cqe: Cqe) -> bool {
    cqe.res == -libc::ECANCELED
}

impl State {
    /// Whether a request that has ended like this goes to the kernel again, because it was
    /// cancelled and nobody has asked for that.
    pub(crate) fn is_to_be_tried_again(&mut self, key: Key, cqe: Cqe) -> bool {
        if !is_cancelled(cqe) {
            if !self.unasked.is_empty() {
                self.unasked.forget(key);
            }
            return false;
        }
        self.was_unasked(key)
    }

    #[cold]
    fn was_unasked(&mut self, key: Key) -> bool {
        let slot = self.table.at(key.index);
        let by_itself = !matches!(slot.lane(), Lane::Chain | Lane::Released);
        let may_be = by_itself && slot.vtable.is_some_and(|vtable| vtable.tried_again);
        if !may_be || !self.goes_on(key.index) {
            return false;
        }
        let table = &mut self.table;
        let again = self.unasked.may_try(key, |request| table.get(request).is_some());
        self.counters.cancels_unasked.add(1);
        again
    }

    /// Gives a request to the kernel again.
    pub(crate) fn push_again(&mut self, index: u32) {
        match self.table.at(index).lane() {
            Lane::Send => self.push_send(index),
            Lane::Polled => {
                let key = self.table.at(index).key();
                self.queue_polled(key);
            }
            _ => self.push_slot(index),
        }
    }
}

#[cfg(test)]
mod tests;
