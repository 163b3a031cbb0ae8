//! Requests that the kernel starts one after the other (`IOSQE_IO_LINK`).
//!
//! Owns: that the entries of a chain are adjacent in one submission, and whose turn it is. Does not
//! own: the futures of its steps (`op/link.rs`, `crate::op`).
//!
//! ```text
//!   Flight --final CQE--> Done            the head
//!   Queued --its turn--> Flight --> Done  the next step: Queued until the one before has ended
//! ```
//!
//! A step that waits is unknown to the kernel's cancel (ENOENT), so only the step whose turn it is
//! is ever asked to end; that breaks the chain for those behind it. A step whose future is gone is
//! asked when its turn comes.
//!
//! Invariants: a chain is pushed whole or not at all, and never across two submissions; every step
//! has a slot of its own, so each one's result and buffer come back whatever became of the others.

use std::io;

use annulus_ring::abi::SqeFlags;

use super::end::End;
use super::key::{Key, Kind as UserKind, NONE, user_data};
use super::table::{Lane, Phase};
use super::{Core, State};

/// A future of one request, which can be a step of a chain.
pub(crate) trait Link: End {
    /// Why it cannot begin.
    fn obstacle(&self, core: &Core, state: &mut State) -> Option<io::Error>;

    /// Pushes its request with these flags. There is room, and no obstacle.
    fn begin(&mut self, core: &Core, state: &mut State, flags: SqeFlags, first: bool) -> Key;

    /// Ends it without having begun; `None` if it has.
    fn refuse(&mut self, error: io::Error) -> Option<Self::Output>;
}

impl State {
    /// Whether that many entries can be pushed into one submission. Submits what is there if not.
    pub(crate) fn has_room_for_chain(&mut self, entries: u32) -> bool {
        if !self.unsent.is_empty() {
            self.flush_unsent();
        }
        if !self.unsent.is_empty() {
            return false;
        }
        self.ring.sq_space_left() >= entries || {
            self.make_room();
            self.ring.sq_space_left() >= entries
        }
    }

    /// Notes which step follows which.
    pub(crate) fn link(&mut self, step: Key, next: Key) {
        let slot = self.table.at(step.index);
        slot.next = next.index;
        slot.flags = next.generation;
    }

    /// A step has ended: the next one has its turn. Called before the step is settled.
    #[cold]
    pub(crate) fn step_ended(&mut self, index: u32) {
        let slot = self.table.at(index);
        let next = Key { index: slot.next, generation: slot.flags };
        slot.next = NONE;
        if next.index == NONE {
            return;
        }
        // The kernel may have reported it before this one: then it is settled, or somebody else's.
        let Some(slot) = self.table.get(next) else {
            return;
        };
        if slot.lane != Lane::Chain || slot.phase != Phase::Queued {
            return;
        }
        if slot.abandoned {
            slot.phase = Phase::Orphan;
            self.counters.orphans_in_flight.add(1);
            self.push_cancel(user_data(UserKind::Op, next));
        } else {
            slot.phase = Phase::Flight;
        }
    }
}
