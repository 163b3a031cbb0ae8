//! What the driver knows of one request: the header of a slot.
//!
//! Owns: the fields, and the phases between them. Does not own: where slots are, nor the owners
//! behind them (the table); who moves a slot from one phase to the next (the driver).
//!
//! A slot's index, generation and phase are one word, its *name*. While a request is in flight that
//! is its `user_data`, so one compare tells that a completion is the one that the slot waits for,
//! and one compare tells its future that it has come.
//!
//! ```text
//!        63                         37 36      32 31                            0
//! name  | generation             (27) | phase    | index                    (32) |
//! ```
//!
//! Invariant: of all phases only the common flight, which waits for one completion and belongs to
//! no queue, has the bits of a kind of completion; so no other slot is ever taken for the one that
//! a completion names.

use std::ptr::NonNull;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::Target;
use annulus_task::Waiter;

use super::key::{GENERATION_SHIFT, KIND_MASK, KIND_SHIFT, Key, Kind, NONE, key_of};
use super::op::Late;
use super::{Core, State};

/// How the table works on an owner whose type it does not know.
pub(crate) struct Vtable {
    /// Fills an SQE for the owner in `storage`.
    pub(crate) encode: unsafe fn(storage: NonNull<u8>, target: Target, sqe: &mut Sqe),
    /// Notes a result; true if the request must go to the kernel again for the rest.
    pub(crate) resume: unsafe fn(storage: NonNull<u8>, res: i32) -> bool,
    /// Consumes the owner of an orphan with its late result.
    pub(crate) reclaim: unsafe fn(storage: NonNull<u8>, core: &Core, late: Late),
    /// The same where that runs no code of a user, and so need not wait until nothing of the core
    /// is borrowed.
    pub(crate) reclaim_at_once: Option<unsafe fn(state: &mut State, late: Late)>,
    /// Whether the request is tried again if it is cancelled and nobody asked.
    pub(crate) tried_again: bool,
    /// What is asked for, for people.
    pub(crate) opcode: Option<Opcode>,
    /// What the owner's type is called.
    pub(crate) kind: fn() -> &'static str,
}

/// Where a slot is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    Flight = Kind::Op as u8,
    Free = NOT_IN_FLIGHT,
    Done,
    Queued,
    Orphan,
    /// A cancel is on its way; the future still wants result and buffer.
    Cancelling,
}

/// In a name, in the place of [`Phase::Flight`]: in flight as well, but the completion is of a
/// lane, or is not the first one.
const SPECIAL_FLIGHT: u8 = NOT_IN_FLIGHT | 7;

/// A bit that no `user_data` has: of all phases, only that of the common flight can meet one.
const NOT_IN_FLIGHT: u8 = 0x10;

const PHASE_MASK: u64 = KIND_MASK << KIND_SHIFT;
const FREE: u64 = phase_bits(Phase::Free);
const FLIGHT: u64 = phase_bits(Phase::Flight);
const DONE: u64 = phase_bits(Phase::Done);
const QUEUED: u64 = phase_bits(Phase::Queued);
const ORPHAN: u64 = phase_bits(Phase::Orphan);
const CANCELLING: u64 = phase_bits(Phase::Cancelling);

/// What makes the name of a slot that is done that of a free one, of the next generation.
const FREED: u64 = (1u64 << GENERATION_SHIFT).wrapping_add(FREE).wrapping_sub(DONE);

const fn phase_bits(phase: Phase) -> u64 {
    (phase as u64) << KIND_SHIFT
}

/// Which queue of its socket a slot belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Lane {
    /// None: it goes to the kernel at once.
    #[default]
    Free,
    /// The one receive that a socket has in flight.
    Recv,
    /// The send queue.
    Send,
    /// A chain of linked requests.
    Chain,
    /// That of the ring whose devices are polled.
    Polled,
    /// None any more: a zero-copy send whose bytes the socket has, and whose memory the kernel has.
    Released,
}

/// What the driver knows of a slot.
#[repr(C, align(16))]
pub(crate) struct Slot {
    /// Index, generation and phase.
    pub(super) name: u64,
    special: Special,
    /// The record that the request works on, or [`NONE`].
    pub(crate) record: u32,
    pub(crate) record_generation: u32,
    /// Link of a send queue, or of a chain.
    pub(crate) next: u32,
    pub(crate) res: i32,
    /// Of the completion; until then, the generation of `next` in a chain.
    pub(crate) flags: u32,
    /// The round in which it became an orphan.
    pub(crate) left: u32,
    /// Notifications that zero-copy sends have announced and that have not come.
    pub(crate) notifications: u32,
    pub(crate) waiter: Waiter,
    pub(crate) vtable: Option<&'static Vtable>,
}

/// What most slots have nothing of: written as one word when a slot is taken.
#[derive(Clone, Copy, Default)]
#[repr(C, align(4))]
struct Special {
    lane: Lane,
    /// The future is gone, and the phase need not say so: the slot is queued or done, or a send
    /// that is being cancelled. It stays when one that was queued becomes an orphan.
    abandoned: bool,
    /// A first completion with F_MORE has set `res`; the final one must not.
    res_is_set: bool,
    /// It has tried to send without copying. False in a slot that has ended.
    zero_copy: bool,
}

/// What a slot in flight will be called when its request has ended.
#[inline]
pub(super) const fn while_done(in_flight: u64) -> u64 {
    in_flight ^ FLIGHT ^ DONE
}

/// The reverse of [`while_done`].
#[inline]
pub(super) const fn while_in_flight(done: u64) -> u64 {
    done ^ FLIGHT ^ DONE
}

impl Slot {
    /// One that no request has used.
    pub(super) fn free(index: u32) -> Self {
        Self {
            name: FREE | u64::from(index),
            special: Special::default(),
            record: NONE,
            record_generation: 0,
            next: NONE,
            res: 0,
            flags: 0,
            left: 0,
            notifications: 0,
            waiter: Waiter::default(),
            vtable: None,
        }
    }

    /// A request moves in: in flight, on no record, in no lane.
    #[inline]
    pub(super) fn occupy(&mut self, vtable: &'static Vtable, waiter: Waiter) {
        self.name ^= FREE ^ FLIGHT;
        self.special = Special::default();
        self.record = NONE;
        // What it held is nobody: there is nothing to drop.
        std::mem::forget(std::mem::replace(&mut self.waiter, waiter));
        self.vtable = Some(vtable);
    }

    /// A request that has ended moves out. The generation wraps at the top of the word.
    #[inline]
    pub(super) fn vacate(&mut self) {
        debug_assert_eq!(self.phase(), Phase::Done, "a slot is freed once, by an ended request");
        debug_assert!(self.waiter.is_none(), "who waits for a slot is told before it is freed");
        self.name = self.name.wrapping_add(FREED);
    }

    /// The slot's key for as long as it is not free.
    #[inline]
    pub(crate) fn key(&self) -> Key {
        key_of(self.name)
    }

    /// Whether it is not free, and has this key.
    #[inline]
    pub(crate) fn is_live(&self, key: Key) -> bool {
        self.key() == key && self.name & PHASE_MASK != FREE
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.name & PHASE_MASK {
            FREE => Phase::Free,
            DONE => Phase::Done,
            QUEUED => Phase::Queued,
            ORPHAN => Phase::Orphan,
            CANCELLING => Phase::Cancelling,
            _ => Phase::Flight,
        }
    }

    #[inline]
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        let special =
            phase == Phase::Flight && (self.special.lane != Lane::Free || self.special.res_is_set);
        let phase = if special { SPECIAL_FLIGHT } else { phase as u8 };
        self.name = (self.name & !PHASE_MASK) | u64::from(phase) << KIND_SHIFT;
    }

    #[inline]
    pub(crate) fn lane(&self) -> Lane {
        self.special.lane
    }

    /// The slot belongs to a queue.
    #[inline]
    pub(crate) fn enter(&mut self, lane: Lane) {
        self.special.lane = lane;
        self.next = NONE;
        self.set_phase(self.phase());
    }

    /// Whether the future is gone, beyond what the phase says of an orphan.
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.special.abandoned
    }

    pub(crate) fn abandon(&mut self) {
        self.special.abandoned = true;
    }

    /// The future is gone while the kernel has the request. True if the slot is an orphan now. A
    /// send that is being cancelled stays what it is: orphans of that lane are sent to their end.
    pub(crate) fn lose_future(&mut self) -> bool {
        if self.phase() == Phase::Cancelling && self.lane() == Lane::Send {
            self.abandon();
            return false;
        }
        self.set_phase(Phase::Orphan);
        true
    }

    /// The request of a slot that was found [in flight](super::table::Table::in_flight) has ended.
    #[inline]
    pub(crate) fn end_flight(&mut self, res: i32, flags: u32) {
        self.name ^= FLIGHT ^ DONE;
        self.res = res;
        self.flags = flags;
    }

    /// The request has ended with this result.
    #[inline]
    pub(crate) fn end(&mut self, res: i32, flags: u32) {
        self.set_phase(Phase::Done);
        self.res = res;
        self.flags = flags;
    }

    /// A completion of a request that will post again: the first one has the result.
    pub(crate) fn note_first(&mut self, res: i32, flags: u32) {
        if !self.special.res_is_set {
            self.res = res;
            self.flags = flags;
            self.special.res_is_set = true;
            self.set_phase(self.phase());
        }
    }

    /// The result, if an earlier completion than the final one has it.
    pub(crate) fn first(&self) -> Option<(i32, u32)> {
        self.special.res_is_set.then_some((self.res, self.flags))
    }

    /// It has tried to send without copying, and has not ended.
    #[inline]
    pub(crate) fn is_zero_copy(&self) -> bool {
        self.special.zero_copy
    }

    pub(crate) fn set_zero_copy(&mut self, zero_copy: bool) {
        self.special.zero_copy = zero_copy;
    }

    /// Names the record that the request works on.
    #[inline]
    pub(crate) fn bind(&mut self, record: Key) {
        self.record = record.index;
        self.record_generation = record.generation;
    }

    /// The record that the request works on.
    #[inline]
    pub(crate) fn record_key(&self) -> Option<Key> {
        let key = Key { index: self.record, generation: self.record_generation };
        (self.record != NONE).then_some(key)
    }
}

#[cfg(test)]
mod tests;
