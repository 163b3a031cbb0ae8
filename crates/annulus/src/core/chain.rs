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
//! The kernel stops inside a chain if it has no memory for the next request: the half that it has
//! is a chain, and the rest, as it stands, another one, which would begin beside it. So the rest is
//! taken back out of the queue before the next submission, and its steps end without having begun.
//! (A submission thread consumes unseen; if that one runs out of memory inside a chain, nobody can
//! tell.)
//!
//! Invariants: a chain is pushed whole or not at all, and never across two submissions; no step
//! begins that is not linked to the one before; every step has a slot of its own, so each one's
//! result and buffer come back whatever became of the others.

use std::io;

use annulus_ring::abi::SqeFlags;

use super::end::End;
use super::key::{Key, Kind as UserKind, NONE, cancel_of, parse, user_data};
use super::table::{Lane, Phase, Slot};
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
        self.has_unsent_chain = true;
        self.has_chores = true;
        let slot = self.table.at(step.index);
        slot.next = next.index;
        slot.flags = next.generation;
    }

    /// A call of the kernel is over, after a chain was pushed. Takes back the steps of a chain that
    /// it stopped in: the first of them had no memory, those behind it cannot follow.
    #[cold]
    pub(crate) fn mend_chain(&mut self) {
        self.has_unsent_chain = self.ring.sq_pending() > 0;
        // All of them first: settling one may submit what is still in the queue.
        let mut taken_back = Vec::new();
        for nth in 0.. {
            let Some(sqe) = self.ring.unconsumed(nth) else { break };
            let Some((UserKind::Op, key)) = parse(sqe.user_data) else { break };
            // The first step of a chain is in flight once it is pushed; only the others wait for
            // their turn, and none has come in between.
            let waits =
                |slot: &mut Slot| slot.lane() == Lane::Chain && slot.phase() == Phase::Queued;
            if !self.table.get(key).is_some_and(waits) {
                break;
            }
            // What stands in its place has the name of a cancel that found what it looked for.
            self.cancels += 1;
            let _ = self.ring.take_back(nth, cancel_of(sqe.user_data));
            self.table.at(key.index).next = NONE;
            taken_back.push(key);
            if !sqe.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK) {
                break;
            }
        }
        let mut res = -libc::ENOMEM;
        for key in taken_back {
            self.settle(key.index, res, 0);
            res = -libc::ECANCELED;
        }
    }

    /// A step has ended, but for a notification: the next one has its turn. Called before the step
    /// is settled, and before its slot notes a result (where the next one's generation is).
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
        if slot.lane() != Lane::Chain || slot.phase() != Phase::Queued {
            return;
        }
        if slot.is_abandoned() {
            slot.set_phase(Phase::Orphan);
            self.counters.orphans_in_flight.add(1);
            self.push_cancel(user_data(UserKind::Op, next));
        } else {
            slot.set_phase(Phase::Flight);
        }
    }
}
