//! Ending a request before its time, while somebody still wants its result and its buffer.
//!
//! Owns: what asking means in each phase of a slot. Does not own: dropping a future (the driver's
//! `orphan`), nor the errors that users see (`crate::op`).
//!
//! | the slot is | asking |
//! |---|---|
//! | in flight | pushes a cancel; the final completion says who was faster |
//! | queued behind another send | takes it out of the queue: it ends at once |
//! | queued behind another step of its chain | nothing: the chain asks again when its turn comes |
//! | sent without copying, and the memory is still the kernel's | nothing: it was sent |
//! | in flight where the device is polled | nothing: it is waited for |
//! | done, or asked before | nothing |
//!
//! Invariant: a slot in flight that is asked still ends by its final completion and no earlier, so
//! result and buffer always come back.

use std::future::Future;

use super::key::{Key, Kind as UserKind, NONE, user_data};
use super::table::{Lane, Phase};
use super::{Core, State};

/// A future that can be asked to end. Its output then says what came first.
pub(crate) trait End: Future {
    /// Asks. Gives the output if there is nothing to wait for; else polling goes on.
    fn ask_to_end(&mut self) -> Option<Self::Output>;
}

impl Core {
    /// Asks the request of a live slot to end.
    pub(crate) fn ask_to_end(&self, key: Key) {
        self.state.borrow_mut().ask_to_end(key);
    }
}

impl State {
    fn ask_to_end(&mut self, key: Key) {
        let Some(slot) = self.table.get(key) else {
            return;
        };
        match (slot.phase(), slot.lane()) {
            // What was sent was sent; nothing makes the peer acknowledge it sooner.
            (Phase::Flight, Lane::Released) => {}
            // A device that is polled is not asked to forget.
            (Phase::Flight, Lane::Polled) => {}
            (Phase::Flight, _) => {
                slot.set_phase(Phase::Cancelling);
                self.push_cancel(user_data(UserKind::Op, key));
            }
            (Phase::Queued, Lane::Send) => self.withdraw(key),
            _ => {}
        }
    }

    /// Takes a send that the kernel does not have yet out of its queue.
    fn withdraw(&mut self, key: Key) {
        let Some(record) = self.table.at(key.index).record_key() else {
            return;
        };
        let Some(stream) = self.records.stream(record) else {
            return;
        };
        let (mut before, tail) = (stream.send.head, stream.send.tail);
        // The head is with the kernel, or is a chunk: a queued send has one before it.
        while before != NONE && self.table.at(before).next != key.index {
            before = self.table.at(before).next;
        }
        if before == NONE {
            return;
        }
        let behind = std::mem::replace(&mut self.table.at(key.index).next, NONE);
        self.table.at(before).next = behind;
        if tail == key.index {
            if let Some(stream) = self.records.stream(record) {
                stream.send.tail = before;
            }
        }
        self.settle(key.index, -libc::ECANCELED, 0);
    }
}
