//! Receiving once: into somebody's buffer, or into the heap when no provided buffer is left.
//!
//! Owns: the two operations. Invariant: bytes that arrive after the future was dropped go to the
//! front of the socket's receive queue, so the next reader gets them.

use std::io;

use annulus_ring::abi::{Opcode, RecvSendFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};
use annulus_task::Waiter;

use super::key::{Handle, Key};
use super::op::{Late, Operation, vtable};
use super::table::{Lane, Phase};
use super::{Core, State};
use crate::buf::{BufError, IoBufMut, Lease};

/// A buffer that is being filled: its first `filled` bytes are what was received.
pub(crate) struct Filling<B> {
    buf: B,
    filled: usize,
}

impl<B: IoBufMut> Filling<B> {
    pub(crate) fn new(buf: B) -> Self {
        Self { buf, filled: 0 }
    }

    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// How many more bytes fit.
    pub(crate) fn room(&self) -> usize {
        self.buf.bytes_capacity() - self.filled
    }

    /// Appends as many of `bytes` as fit, and gives their number.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        let to = self.buf.bytes_mut_ptr().wrapping_add(self.filled);
        // SAFETY: `n` bytes are readable at `bytes` and writable at `to`, which is `filled` bytes
        // into a capacity with room for `n` more; the buffer is exclusively ours, so they do not
        // overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, n) };
        self.filled += n;
        n
    }

    /// The bytes so far, for giving them back.
    pub(crate) fn copied(&mut self) -> Vec<u8> {
        let from = self.buf.bytes_mut_ptr();
        // SAFETY: the first `filled` bytes were written by `copy` or by the kernel.
        unsafe { std::slice::from_raw_parts(from, self.filled) }.to_vec()
    }

    /// The buffer, with its length set.
    pub(crate) fn finish(mut self) -> (usize, B) {
        // SAFETY: the first `filled` bytes were written by `copy` or by the kernel, within the
        // capacity.
        unsafe { self.buf.set_bytes_len(self.filled) };
        (self.filled, self.buf)
    }

    /// The buffer as it came, when nothing was received.
    pub(crate) fn give_up(self) -> B {
        self.buf
    }
}

/// A receive into a buffer of the user, behind the bytes that it has already.
pub(crate) struct RecvInto<B> {
    pub(crate) handle: Handle,
    pub(crate) into: Filling<B>,
    /// Go on until the buffer is full.
    pub(crate) exact: bool,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBufMut`) and owned by this operation;
// the address is taken anew at each `encode`, after the last move.
unsafe impl<B: IoBufMut> Operation for RecvInto<B> {
    type Output = Result<(i32, Filling<B>), BufError<B>>;
    const OPCODE: Option<Opcode> = Some(Opcode::RECV);
    const LANE: Lane = Lane::Recv;

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let Filling { buf, filled } = &mut self.into;
        let recv = op::Recv {
            target,
            // Within the buffer: `filled` is at most its capacity.
            addr: buf.bytes_mut_ptr().wrapping_add(*filled),
            len: crate::buf::clamp_transfer(buf.bytes_capacity() - *filled),
            flags: 0,
            ioprio: RecvSendFlags::EMPTY,
        };
        recv.encode(sqe);
    }

    fn resume(&mut self, res: i32) -> bool {
        self.into.filled += res as usize;
        self.exact && self.into.room() > 0
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        Ok((res, self.into))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.into.give_up())))
    }

    fn orphan(mut self, core: &Core, late: Late) {
        let Some(key) = late.record else { return };
        if self.into.filled == 0 {
            core.state.borrow_mut().received_late(key, late.res, Vec::new());
            return;
        }
        // The buffer's own type is unknown to the queue: its bytes move to the heap.
        let lease = Lease::from_vec(self.into.copied());
        let mut state = core.state.borrow_mut();
        state.unread(key, lease);
        if late.res <= 0 {
            // What ended it comes after these bytes, and the kernel says it once.
            state.received_late(key, late.res, Vec::new());
        }
    }
}

/// How much a starved stream receives at once.
const HEAP_RECEIVE_BYTES: usize = 16 * 1024;

/// A receive into the heap, for a stream whose pool is exhausted.
struct HeapReceive(Vec<u8>);

// SAFETY: the vector's memory is on the heap and owned by this operation.
unsafe impl Operation for HeapReceive {
    type Output = ();
    const OPCODE: Option<Opcode> = Some(Opcode::RECV);
    const LANE: Lane = Lane::Recv;

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let recv = op::Recv {
            target,
            addr: self.0.as_mut_ptr(),
            len: self.0.capacity() as u32,
            flags: 0,
            ioprio: RecvSendFlags::EMPTY,
        };
        recv.encode(sqe);
    }

    fn complete(self, _core: &Core, _res: i32, _flags: u32) {}

    fn refuse(_this: Option<Self>, _error: io::Error) {}

    fn orphan(mut self, core: &Core, late: Late) {
        let Some(key) = late.record else { return };
        if late.res > 0 {
            // SAFETY: the kernel wrote that many bytes into the vector's capacity.
            unsafe { self.0.set_len(late.res as usize) };
            self.0.shrink_to_fit();
        }
        core.state.borrow_mut().received_late(key, late.res, self.0);
    }
}

impl State {
    /// Receives once into the heap. The slot has no future: its reclaimer queues the bytes.
    pub(crate) fn launch_heap_receive(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        record.in_flight += 1;
        self.counters.heap_receives.add(1);
        self.counters.orphans_in_flight.add(1);
        let round = self.round();
        let owner = HeapReceive(Vec::with_capacity(HEAP_RECEIVE_BYTES));
        let slot = self.table.take(owner, vtable::<HeapReceive>(), Waiter::default()).slot;
        let slot_key = slot.key();
        slot.enter(Lane::Recv);
        slot.set_phase(Phase::Orphan);
        slot.left = round;
        slot.bind(key);
        self.launch(slot_key, Lane::Recv);
        if let Some(stream) = self.records.stream(key) {
            stream.recv.heap = Some(slot_key);
        }
    }
}
