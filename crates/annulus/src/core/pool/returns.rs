//! Leases that come back on other threads than their core's, and those that outlive it.
//!
//! ```text
//!   the core lives:  give --> returned --collect--> holds of the pool
//!   it has ended:    give --> one fewer is out; with the last one the memory goes
//! ```
//!
//! Owns: what came back and is not collected yet; after the end, how many leases are out. Does not
//! own: holds and memory (the pool).
//!
//! Nobody is told of a return, because nobody waits for one: a core collects when it has too few
//! buffers to publish, and a receive that finds none goes through the heap in the next turn.
//!
//! Invariants: what is given is collected once, or counted once; of all that `give` and `end` say,
//! exactly one is that the last lease is back, and it comes behind all use of the memory.

use std::sync::PoisonError;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// The half of a pool that other threads reach.
pub(super) struct Returns(Mutex<State>);

enum State {
    /// The core lives: one entry for each lease.
    Returned(Vec<u16>),
    /// The core has ended: leases that are out.
    Out(u32),
}

impl Returns {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Returned(Vec::new())))
    }

    /// Any thread: a lease on buffer `bid` is gone. True if the core is, too, and this was the
    /// last.
    #[must_use]
    pub(super) fn give(&self, bid: u16) -> bool {
        match &mut *self.lock() {
            State::Returned(returned) => {
                returned.push(bid);
                false
            }
            State::Out(out) => {
                *out -= 1;
                *out == 0
            }
        }
    }

    /// Owner: the buffers of leases that came back since the last time.
    pub(super) fn collect(&self) -> Vec<u16> {
        match &mut *self.lock() {
            State::Returned(returned) => std::mem::take(returned),
            State::Out(_) => Vec::new(),
        }
    }

    /// How many leases came back and are not collected.
    pub(super) fn waiting(&self) -> u32 {
        match &*self.lock() {
            State::Returned(returned) => returned.len() as u32,
            State::Out(_) => 0,
        }
    }

    /// Owner: the core ends, and has not collected so many leases. True if all of them are back.
    #[must_use]
    pub(super) fn end(&self, leases: u32) -> bool {
        let mut state = self.lock();
        let returned = match &*state {
            State::Returned(returned) => returned.len() as u32,
            State::Out(_) => 0,
        };
        *state = State::Out(leases - returned);
        leases == returned
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, loom))]
mod models;
