//! Which core a connection goes to.
//!
//! Owns: the choice, which is made when the connection is there. Does not own: accepting, the way
//! to another core (`accept`, `moving`), how many a core may have (`shared`).
//!
//! Invariants: a core that is full, has not started or is to stop is passed over; while all are,
//! accepting waits. In [`Accept::Balanced`] the cores agree on nothing: each compares itself with
//! one other, a different one each time, so a choice costs the same with two cores and with two
//! hundred.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::config::Accept;
use super::shared::{Permit, Shared};

/// By how many connections a core may have more than another before it gives one away: so many, and
/// so many parts of what the other has. Less would give away connections for nothing but the
/// numbers' noise, more would not keep a thousand connections within a tenth of their mean.
const SLACK: u64 = 2;
const SLACK_PART: u64 = 32;

/// Of the acceptors of one core.
#[derive(Debug)]
pub(super) struct Choice {
    own: usize,
    /// Whose turn it is: to be given a connection, or to be compared with.
    turn: Cell<usize>,
}

impl Choice {
    pub(super) fn new(own: usize) -> Self {
        Self { own, turn: Cell::new(0) }
    }

    /// Ready when a core has room for a connection that may come.
    pub(super) fn poll_room(&self, shared: &Shared, cx: &mut Context<'_>) -> Poll<()> {
        let mut asked = self.candidates(shared);
        match asked.any(|core| shared.poll_room(core, cx).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The place of a connection that has come.
    pub(super) fn poll_place(&self, shared: &Arc<Shared>, cx: &mut Context<'_>) -> Poll<Permit> {
        loop {
            let first = self.first(shared);
            let others = self.candidates(shared).filter(|core| *core != first);
            let found = std::iter::once(first).chain(others).find_map(|core| shared.permit(core));
            if let Some(permit) = found {
                if shared.config.accept.is_central() {
                    self.turn.set((permit.core() + 1) % shared.cores.len());
                }
                return Poll::Ready(permit);
            }
            if self.poll_room(shared, cx).is_pending() {
                return Poll::Pending;
            }
            // There was room a moment ago.
        }
    }

    /// The cores that may be given a connection, those before others whose turn is before theirs.
    fn candidates(&self, shared: &Shared) -> impl Iterator<Item = usize> + use<> {
        let count = shared.cores.len();
        let (from, len) = match shared.config.accept {
            Accept::PerCore | Accept::Steered => (self.own, 1),
            Accept::Balanced => (self.own, count),
            Accept::RoundRobin | Accept::LeastConnections => (self.turn.get(), count),
        };
        (0..len).map(move |n| (from + n) % count)
    }

    /// The core that should have the next connection, if it may.
    fn first(&self, shared: &Shared) -> usize {
        let open = |core: usize| shared.cores[core].open.now();
        match shared.config.accept {
            Accept::PerCore | Accept::Steered => self.own,
            Accept::Balanced => {
                let others = shared.cores.len() - 1;
                let turn = self.turn.get();
                self.turn.set((turn + 1) % others.max(1));
                // Itself, if there is no other.
                let other = (self.own + 1 + turn) % (others + 1);
                let gives = shared.has_room(other) && is_heavier(open(self.own), open(other));
                if gives { other } else { self.own }
            }
            Accept::RoundRobin => self.turn.get(),
            // Of equals the one whose turn it is. Each is asked once: numbers change meanwhile.
            Accept::LeastConnections => {
                let with_room = self.candidates(shared).filter(|core| shared.has_room(*core));
                let counted = with_room.map(|core| (open(core), core));
                let fewest =
                    counted.reduce(|least, next| if next.0 < least.0 { next } else { least });
                fewest.map_or(self.own, |(_, core)| core)
            }
        }
    }
}

/// Whether who has `own` connections gives the next one to who has `other`.
fn is_heavier(own: u64, other: u64) -> bool {
    own > other + SLACK + other / SLACK_PART
}

#[cfg(test)]
mod tests;
