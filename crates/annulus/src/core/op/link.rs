//! An operation's future as a step of a chain.
//!
//! Owns: how one step goes into the ring. Does not own: the order of steps, nor the room for them
//! (`core/chain.rs`).

use std::io;

use annulus_ring::abi::SqeFlags;
use annulus_ring::op::Target;
use annulus_task::Waiter;

use super::super::chain::Link;
use super::super::key::{Key, Kind, user_data};
use super::super::table::{Lane, Phase, Taken};
use super::super::{Core, State, errors};
use super::{Op, Operation, Stage, vtable};

impl<D: Operation> Link for Op<D> {
    fn obstacle(&self, core: &Core, state: &mut State) -> Option<io::Error> {
        const { assert!(matches!(D::LANE, Lane::Free), "what has a queue of its own is no step") };
        let Stage::Idle(description) = &self.stage else {
            return Some(begun());
        };
        if let Some(handle) = description.handle() {
            if handle.core != core.id() {
                return Some(errors::wrong_core(handle.core, core.id()));
            }
            if state.records.get(handle.key).is_none() {
                return Some(errors::handle_gone());
            }
        }
        description.refusal()
    }

    fn begin(&mut self, core: &Core, state: &mut State, flags: SqeFlags, first: bool) -> Key {
        let Stage::Idle(description) = std::mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("a chain begins steps that no obstacle keeps");
        };
        let record = description.handle().map(|handle| handle.key);
        let mut target = Target::Fd(-1);
        if let Some(found) = record.and_then(|key| state.records.get(key)) {
            found.in_flight += 1;
            target = found.target();
        }
        // The chain polls the step after this, which leaves its waker.
        let Taken { ticket, slot, mut owner } =
            state.table.take(description, vtable::<D>(), Waiter::default());
        let key = slot.key();
        slot.enter(Lane::Chain);
        if !first {
            slot.set_phase(Phase::Queued);
        }
        if let Some(record) = record {
            slot.bind(record);
        }
        // First: should a buffer panic while it is asked, the slot is this future's all the same.
        self.stage = Stage::Flight { core: core.id(), ticket };
        // SAFETY: `take` has just placed the owner there, and nobody else refers to it.
        let owner = unsafe { owner.as_mut() };
        state.push(user_data(Kind::Op, key), |sqe| {
            owner.encode(target, sqe);
            sqe.flags |= flags;
        });
        key
    }

    fn refuse(&mut self, error: io::Error) -> Option<D::Output> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Idle(description) => Some(D::refuse(Some(description), error)),
            begun => {
                self.stage = begun;
                None
            }
        }
    }
}

fn begun() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a step of a chain had been polled before: the chain itself begins its steps",
    )
}
