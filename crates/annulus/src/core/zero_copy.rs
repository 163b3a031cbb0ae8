//! Sending without copying: which sends try it, what their two completions mean, and what a socket
//! learns from them.
//!
//! Owns: the gear of a socket, and the end of a zero-copy send. Does not own: the send queue
//! (`send_queue`), the bytes (the slot).
//!
//! ```text
//!   in flight --result, F_MORE--> Released --notification--> Done
//!       |          the next send goes on, the descriptor may close; the slot keeps the bytes
//!       +--result without F_MORE--> Done
//! ```
//!
//! | the future is dropped | what happens |
//! |---|---|
//! | before the result | the slot becomes an orphan; its bytes are sent |
//! | before the notification | the slot becomes an orphan; its bytes live until the notification |
//!
//! Invariants: the bytes of a send belong to its slot until each notification that the kernel has
//! announced has come; a socket that the kernel copies for, or that refuses, sends plainly after a
//! few tries. Mirrors io_uring_prep_send_zc(3).

use annulus_ring::abi::{Cqe, CqeFlags, Opcode, RecvSendFlags, Sqe};

use super::State;
use super::driver::Left;
use super::key::Key;
use super::table::Lane;

/// Reports in a row of a copy, after which a socket sends plainly.
const COPIES_MAX: u8 = 3;
/// In a notification's result: the kernel copied after all (`IORING_NOTIF_USAGE_ZC_COPIED`).
const USAGE_COPIED: u32 = 1 << 31;

/// What a socket knows of zero copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gear {
    /// Sends of so many bytes or more try it by themselves.
    from_bytes: u32,
    /// Reports in a row that the kernel copied.
    copies: u8,
    /// Not even those try it that ask for it.
    off: bool,
}

impl Gear {
    /// Copies always.
    pub(crate) const OFF: Self = Self { from_bytes: u32::MAX, copies: 0, off: true };

    /// Tries it for so many bytes or more, and wherever it is asked for.
    pub(crate) const fn from_bytes(from_bytes: u32) -> Self {
        Self { from_bytes, copies: 0, off: false }
    }

    /// Brings a send into the form that this socket uses, and says whether that is zero copy.
    #[inline]
    pub(super) fn shift(self, sqe: &mut Sqe, is_awaited: bool) -> bool {
        if sqe.opcode == Opcode::SEND && sqe.len < self.from_bytes {
            return false;
        }
        self.shift_slowly(sqe, is_awaited)
    }

    #[cold]
    fn shift_slowly(self, sqe: &mut Sqe, is_awaited: bool) -> bool {
        let report = RecvSendFlags::SEND_ZC_REPORT_USAGE.bits();
        match sqe.opcode {
            Opcode::SEND if is_awaited => (sqe.opcode, sqe.ioprio) = (Opcode::SEND_ZC, report),
            Opcode::SEND_ZC if self.off => (sqe.opcode, sqe.ioprio) = (Opcode::SEND, 0),
            Opcode::SENDMSG_ZC if self.off => (sqe.opcode, sqe.ioprio) = (Opcode::SENDMSG, 0),
            _ => {}
        }
        matches!(sqe.opcode, Opcode::SEND_ZC | Opcode::SENDMSG_ZC)
    }

    /// What a notification says of the use that was made of it.
    fn learn(&mut self, copied: bool) {
        if !copied {
            self.copies = 0;
            return;
        }
        self.copies += 1;
        self.from_bytes = self.from_bytes.saturating_mul(2);
        if self.copies >= COPIES_MAX {
            *self = Self::OFF;
        }
    }
}

impl State {
    /// The gear of a new socket.
    pub(crate) fn first_gear(&self) -> Gear {
        match self.ring.capabilities().supports(Opcode::SEND_ZC) {
            true => Gear::from_bytes(self.zero_copy_from),
            false => Gear::OFF,
        }
    }

    /// A send goes to the kernel without copying. The mark stays until the slot has ended: a first
    /// try may still have to notify.
    #[cold]
    pub(super) fn note_zero_copy(&mut self, index: u32) {
        let slot = self.table.at(index);
        let is_first = !slot.is_zero_copy();
        slot.set_zero_copy(true);
        self.counters.zero_copy_sends.add(u64::from(is_first));
    }

    /// A completion of a slot that has tried zero copy.
    #[cold]
    pub(crate) fn on_zero_copy(&mut self, key: Key, cqe: Cqe) {
        let slot = self.table.at(key.index);
        if cqe.flags.contains(CqeFlags::NOTIF) {
            slot.notifications -= 1;
            let record = slot.record_key();
            self.learn(record, cqe.res as u32 & USAGE_COPIED != 0);
            self.end_zero_copy(key.index);
            return;
        }
        slot.notifications += u32::from(cqe.more());
        let mut res = cqe.res;
        if self.is_to_be_tried_again(key, cqe) {
            self.push_send(key.index);
            return;
        }
        if self.is_refusal(key.index, res) {
            if self.goes_on(key.index) {
                self.push_send(key.index);
                return;
            }
            res = -libc::ECANCELED;
        } else if self.has_rest(key.index, res) {
            self.push_send(key.index);
            return;
        }
        let slot = self.table.at(key.index);
        slot.note_first(res, cqe.flags.bits());
        if slot.notifications > 0 {
            self.release_lane(key.index);
        }
        self.end_zero_copy(key.index);
    }

    /// The bytes are the socket's, though the memory is still the kernel's: the next send goes on,
    /// and nothing keeps the descriptor from being closed.
    fn release_lane(&mut self, index: u32) {
        let slot = self.table.at(index);
        let (left, record) = (Left::of(index, slot), slot.record);
        // First: what starts behind it asks user code where its buffer is.
        slot.enter(Lane::Released);
        self.settle_record(left, Lane::Send, record);
    }

    /// Ends the slot if nothing of it is with the kernel any more.
    fn end_zero_copy(&mut self, index: u32) {
        let slot = self.table.at(index);
        let Some((res, flags)) = slot.first().filter(|_| slot.notifications == 0) else {
            return;
        };
        slot.set_zero_copy(false);
        self.settle(index, res, flags);
    }

    /// Whether the kernel does not do this without copying: the socket sends plainly from now on.
    fn is_refusal(&mut self, index: u32, res: i32) -> bool {
        let refused =
            matches!(-res, libc::EOPNOTSUPP | libc::EINVAL | libc::ENOMEM | libc::ENOBUFS);
        let record = self.table.at(index).record_key().filter(|_| refused);
        let Some(stream) = record.and_then(|key| self.records.stream(key)) else {
            return false;
        };
        // A plain send that fails with the same has failed.
        let refused = !stream.send.gear.off;
        stream.send.gear = Gear::OFF;
        refused
    }

    fn learn(&mut self, record: Option<Key>, copied: bool) {
        self.counters.zero_copy_copies.add(u64::from(copied));
        if let Some(stream) = record.and_then(|key| self.records.stream(key)) {
            stream.send.gear.learn(copied);
        }
    }
}

#[cfg(test)]
mod tests;
