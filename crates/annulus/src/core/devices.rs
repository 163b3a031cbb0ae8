//! A second ring, for requests whose device is polled for their completion (`IORING_SETUP_IOPOLL`).
//!
//! Such a ring takes reads and writes of direct files and little else: no sockets, no timeouts, no
//! cancels. So it stands beside the core's own, and only [`Polled`] goes there.
//!
//! ```text
//!   queued --the turn--> in the ring --polled, turn by turn--> settled
//! ```
//!
//! Owns: that ring, and what waits for room in it. Does not own: the slots, nor the turn, which
//! comes by while anything is in flight here, and does not sleep. Invariants: no cancel is ever
//! pushed for such a request (the core's ring does not know it, and a device cannot be asked to
//! forget); files are named by their descriptors, because the table of fixed files is the other
//! ring's; registered buffers have the same numbers in both.

use std::collections::VecDeque;
use std::io;

use annulus_ring::Ring;
use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::Target;

use super::direct_op::{Transfer, With};
use super::key::{Handle, Key, Kind, user_data};
use super::op::Operation;
use super::table::Lane;
use super::{Core, State, errors};

/// The second ring of a core.
#[derive(Default)]
pub(crate) struct Devices {
    ring: Option<Box<Ring>>,
    queued: VecDeque<Key>,
    in_flight: usize,
}

impl Devices {
    pub(crate) fn new(ring: Option<Ring>) -> Self {
        Self { ring: ring.map(Box::new), ..Self::default() }
    }

    /// Requests that are queued or in flight.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn ring(&mut self) -> Option<&mut Ring> {
        self.ring.as_deref_mut()
    }

    /// Takes out the next one that is queued, if the ring has room for it.
    fn next_queued(&mut self) -> Option<Key> {
        self.ring().filter(|ring| ring.sq_space_left() > 0)?;
        let key = self.queued.pop_front()?;
        self.in_flight -= 1;
        Some(key)
    }
}

/// A queued request that ends if its buffer panics while it is written.
struct Unwritten<'a> {
    state: &'a mut State,
    key: Key,
}

impl Drop for Unwritten<'_> {
    #[cold]
    fn drop(&mut self) {
        self.state.settle(self.key.index, -libc::ECANCELED, 0);
    }
}

impl State {
    /// Queues a request for the next look at the devices.
    pub(crate) fn queue_polled(&mut self, key: Key) {
        self.devices.in_flight += 1;
        self.devices.queued.push_back(key);
        self.has_chores = true;
    }

    /// Submits what is queued, looks at the devices once, and settles what is done.
    pub(crate) fn poll_devices(&mut self) {
        if self.devices.ring.is_none() {
            return;
        }
        while let Some(key) = self.devices.next_queued() {
            let unwritten = Unwritten { state: self, key };
            let entry = unwritten.state.encode_polled(key);
            std::mem::forget(unwritten);
            let Some((entry, ring)) = entry.zip(self.devices.ring()) else { continue };
            // SAFETY: what the entry points to is owned by a slot until the final completion (the
            // contract of `Operation`).
            if let Some(sqe) = unsafe { ring.vacant() } {
                *sqe = entry;
                sqe.user_data = user_data(Kind::Op, key);
                self.devices.in_flight += 1;
            }
        }
        let Some(ring) = self.devices.ring() else { return };
        // What it says of itself (EINTR, EAGAIN, EBUSY) only means that the next turn goes on.
        let _ = ring.submit();
        let _ = ring.flush();
        ring.look();
        while let Some(cqe) = self.devices.ring().and_then(Ring::next_seen) {
            self.devices.in_flight -= 1;
            // One by one: what stays behind one that panics is counted when it is its turn.
            self.counters.add_cqes(1);
            self.dispatch(cqe);
        }
    }

    /// The entry of a queued request.
    fn encode_polled(&mut self, key: Key) -> Option<Sqe> {
        let slot = self.table.get(key)?;
        let (vtable, record) = (slot.vtable?, slot.record);
        let target = Target::Fd(self.records.at(record).fd);
        let storage = self.table.storage(key.index);
        let mut sqe = Sqe::default();
        // SAFETY: the vtable was stored with the owner in this storage; nobody else refers to it.
        unsafe { (vtable.encode)(storage, target, &mut sqe) };
        Some(sqe)
    }
}

/// A transfer whose device is polled.
pub(crate) struct Polled<D>(pub(crate) With<D>);

// SAFETY: as for the transfer inside.
unsafe impl<D: Transfer> Operation for Polled<D> {
    type Output = D::Output;
    const LANE: Lane = Lane::Polled;
    const CANCELS: bool = false;
    const OPCODE: Option<Opcode> = D::OPCODE;

    fn handle(&self) -> Option<Handle> {
        self.0.handle()
    }

    fn refusal(&self) -> Option<io::Error> {
        self.0.refusal()
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.0.encode(target, sqe);
    }

    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output {
        if res == -libc::EOPNOTSUPP {
            return D::refuse(Some(self.0.transfer), cannot_be_polled());
        }
        self.0.complete(core, res, flags)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        With::refuse(this.map(|this| this.0), error)
    }
}

fn cannot_be_polled() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "the device below this file has no queues that can be polled: its io_poll below /sys/block \
         is 0. For NVMe, load the driver with poll_queues; else use the file's plain reads and writes",
    )
}

/// Whether the current core has a second ring.
pub(crate) fn are_polled(state: &mut State) -> io::Result<()> {
    if state.stopping {
        return Err(errors::handle_gone());
    }
    if state.devices.ring().is_none() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this core polls no devices: build its runtime with Builder::device_polling",
        ));
    }
    Ok(())
}
