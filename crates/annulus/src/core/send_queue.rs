//! The sending direction of a connected socket: a queue of slots, of which at most the first is
//! with the kernel. (A chunk of `send_nowait` that is the first waits for the end of the turn.)
//!
//! Owns: the queue, how a send goes to the kernel, and how one that has ended makes way for the
//! next. Does not own: the bytes (slots, and the chunks of `send_nowait`), nor which sends go
//! without copying (`zero_copy`). Invariant: one send of a socket is with the kernel at a time, so
//! bytes never interleave.

use std::io;
use std::ptr::NonNull;

use annulus_ring::Kernel as _;
use annulus_ring::op::Target;

use super::key::{Key, Kind as UserKind, NONE, user_data};
use super::record::Kind;
use super::table::{Phase, Slot, Vtable};
use super::waiters::Queue;
use super::zero_copy::Gear;
use super::{State, errors};

/// The sending direction of a record.
pub(crate) struct Sends {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    /// The last slot of the queue, if it is a chunk of `send_nowait` that can still take bytes.
    pub(crate) open: u32,
    /// Bytes in chunks of `send_nowait`.
    pub(crate) queued_bytes: usize,
    /// Futures that wait until fewer bytes are queued.
    pub(crate) room: Queue,
    /// The direction ends when the queue is empty; nothing more is taken.
    pub(crate) shut: bool,
    /// A chunk of `send_nowait` failed, and nobody has been told yet.
    pub(crate) failed: Option<i32>,
    /// The time to send what a dropped handle left is over.
    pub(crate) given_up: bool,
    /// The timer of that time.
    pub(crate) flush: Option<super::wheel::TimerKey>,
    /// Which sends go without copying.
    pub(crate) gear: Gear,
}

impl State {
    /// Ends directions of a connection; the sending one when everything accepted is sent.
    pub(crate) fn shut_down_stream(&mut self, key: Key, how: i32) -> io::Result<()> {
        let Some(record) = self.records.get(key) else {
            return Err(errors::handle_gone());
        };
        let fd = record.fd;
        let Kind::Stream(stream) = &mut record.kind else {
            return Err(errors::handle_gone());
        };
        let writes = how != libc::SHUT_RD;
        stream.send.shut |= writes;
        let deferred = writes && stream.send.head != NONE;
        let now = match (deferred, how) {
            (false, how) => how,
            (true, libc::SHUT_RDWR) => libc::SHUT_RD,
            (true, _) => return Ok(()),
        };
        Ok(self.ring.kernel().shutdown(fd, now)?)
    }

    /// Puts a slot at the end of its socket's send queue, and starts it if it is alone there.
    #[inline]
    pub(crate) fn enqueue_send(&mut self, index: u32) {
        let (slot, storage) = self.table.with_storage(index);
        let record = self.records.at(slot.record);
        let target = record.target();
        let Kind::Stream(stream) = &mut record.kind else {
            return;
        };
        let send = &mut stream.send;
        send.open = NONE;
        let tail = std::mem::replace(&mut send.tail, index);
        if tail == NONE {
            send.head = index;
            let sending = Sending::of(slot, storage, target, send.gear);
            self.write_send(sending);
        } else {
            slot.set_phase(Phase::Queued);
            self.table.at(tail).next = index;
        }
    }

    /// Gives a send to the kernel, or what is left of it.
    pub(crate) fn push_send(&mut self, index: u32) {
        let (slot, storage) = self.table.with_storage(index);
        let record = self.records.at(slot.record);
        let Kind::Stream(stream) = &record.kind else {
            return;
        };
        let sending = Sending::of(slot, storage, record.target(), stream.send.gear);
        self.write_send(sending);
    }

    #[inline(always)]
    fn write_send(&mut self, sending: Sending) {
        let Sending { key, storage, target, gear, is_awaited, vtable } = sending;
        let Some(vtable) = vtable else { return };
        let mut zero_copy = false;
        self.push(user_data(UserKind::Op, key), |sqe| {
            // SAFETY: the vtable was stored with the owner in this storage; nobody else refers to
            // it.
            unsafe { (vtable.encode)(storage, target, sqe) };
            zero_copy = gear.shift(sqe, is_awaited);
        });
        if zero_copy {
            self.note_zero_copy(key.index);
        }
    }

    /// The first of a send queue has ended: the one behind it is the first, and starts. Inlined,
    /// because most have none behind them.
    #[inline(always)]
    pub(crate) fn advance_send(&mut self, record_index: u32, next: u32) {
        let record = self.records.at(record_index);
        let Kind::Stream(stream) = &mut record.kind else {
            return;
        };
        let send = &mut stream.send;
        send.head = next;
        if next != NONE {
            if send.open == next {
                send.open = NONE;
            }
            self.start_queued(next);
            return;
        }
        send.tail = NONE;
        send.open = NONE;
        let room = send.room;
        if send.shut {
            // The peer may be gone by now; there is nobody to tell.
            let _ = self.ring.kernel().shutdown(record.fd, libc::SHUT_WR);
        }
        self.wake_all(room);
    }

    /// Gives a queued slot to the kernel. One whose future is gone becomes an orphan on the way.
    pub(crate) fn start_queued(&mut self, index: u32) {
        let slot = self.table.at(index);
        if slot.phase() == Phase::Queued {
            slot.set_phase(if slot.is_abandoned() { Phase::Orphan } else { Phase::Flight });
            self.counters.orphans_in_flight.add(u64::from(slot.is_abandoned()));
            self.push_send(index);
        }
    }
}

/// What the SQE of a send is made of.
struct Sending {
    key: Key,
    vtable: Option<&'static Vtable>,
    storage: NonNull<u8>,
    target: Target,
    gear: Gear,
    is_awaited: bool,
}

impl Sending {
    #[inline]
    fn of(slot: &Slot, storage: NonNull<u8>, target: Target, gear: Gear) -> Self {
        let (key, vtable, is_awaited) = (slot.key(), slot.vtable, slot.phase() == Phase::Flight);
        Self { key, vtable, storage, target, gear, is_awaited }
    }
}
