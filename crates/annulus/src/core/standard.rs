//! Reads and writes at the position of a shared open file: terminals, devices and files as standard
//! streams.
//!
//! Such a file cannot be read without waiting (`RWF_NOWAIT` is refused, or says nothing), and must
//! not be made nonblocking, because other processes have the same open file. So it is a request,
//! which a worker of the kernel may carry out, and a request that is cancelled may have taken bytes
//! all the same. These are kept, for the next read in this process.
//!
//! Owns: the two operations, and for each stream whose turn it is ([`Turn`]) and what was read
//! late. Does not own: streams that are pipes or sockets (`core/now`).
//!
//! Invariants: one request of a stream is in flight at a time, in the whole process, so bytes keep
//! their order although positions are shared; a turn ends when the kernel has ended its request,
//! whatever became of the future.

use std::io;
use std::task::{Context, Poll};

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::{self, Op as _, Target};
use annulus_task::ForkLock;

use super::key::Handle;
use super::op::{Late, Operation};
use super::stock::{Stock, Wait};
use super::{Core, errors};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, fill, receive_room, send_len};

/// At the position of the open file.
const HERE: u64 = u64::MAX;

/// One of the three streams of this process: its one turn, which has what was read by who had
/// stopped waiting.
pub(crate) struct Stream(Stock<Vec<u8>>);

/// A forked child begins anew: who has a turn in its parent never gives it back there, and what was
/// read late is its parent's to give out.
static STREAMS: ForkLock<[&'static Stream; 3]> =
    ForkLock::new(|| [(); 3].map(|()| &*Box::leak(Box::new(Stream::new()))));

/// The stream of a descriptor: 0, 1 or 2.
pub(crate) fn stream(number: usize) -> &'static Stream {
    STREAMS.lock()[number]
}

/// A wait for a turn; its place in the queue is left when it is dropped.
pub(crate) struct Queued {
    stream: &'static Stream,
    wait: Wait<'static, Vec<u8>>,
}

impl Stream {
    fn new() -> Self {
        Self(Stock::new(vec![Vec::new()]))
    }

    /// A wait for a turn, behind all who have polled theirs before.
    pub(crate) fn queue(&'static self) -> Queued {
        Queued { stream: self, wait: self.0.wait() }
    }
}

impl Queued {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let stream = self.stream;
        self.wait.poll(cx).map(|late| Turn { stream, late })
    }

    /// Waits no more.
    pub(crate) fn leave(&mut self) {
        self.wait.leave();
    }
}

/// The right to have the one request of a stream.
pub(crate) struct Turn {
    stream: &'static Stream,
    late: Vec<u8>,
}

impl Turn {
    /// Bytes that were read late, as many as there is room for.
    pub(crate) fn take_late<B: IoBufMut>(&mut self, buf: &mut B) -> Option<usize> {
        if self.late.is_empty() {
            return None;
        }
        let taken = fill(buf, &self.late);
        self.late.drain(..taken);
        Some(taken)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.stream.0.give_back(std::mem::take(&mut self.late));
    }
}

/// A read at the position of the file.
pub(crate) struct ReadHere<B> {
    pub(crate) handle: Handle,
    pub(crate) buf: B,
    pub(crate) turn: Turn,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBufMut`) and owned by this operation.
unsafe impl<B: IoBufMut> Operation for ReadHere<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::READ);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, len) = (self.buf.bytes_mut_ptr(), receive_room(&self.buf));
        op::Read { target, addr, len, offset: HERE }.encode(sqe);
    }

    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.buf));
        }
        // SAFETY: the kernel wrote `res` bytes from the start, within the capacity it was given.
        unsafe { self.buf.set_bytes_len(res as usize) };
        Ok((res as usize, self.buf))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }

    fn orphan(mut self, _core: &Core, late: Late) {
        if late.res > 0 {
            let from = self.buf.bytes_mut_ptr();
            // SAFETY: the kernel wrote so many bytes from the start, within the capacity, and has
            // ended the request; the buffer, which need not have a length of its own, is ours.
            let read = unsafe { std::slice::from_raw_parts(from, late.res as usize) };
            self.turn.late.extend_from_slice(read);
        }
    }
}

/// A write at the position of the file.
pub(crate) struct WriteHere<B> {
    pub(crate) handle: Handle,
    pub(crate) buf: B,
    pub(crate) turn: Turn,
}

// SAFETY: the buffer's memory is stable (the contract of `IoBuf`) and owned by this operation.
unsafe impl<B: IoBuf> Operation for WriteHere<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::WRITE);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, len) = (self.buf.bytes_ptr(), send_len(&self.buf));
        op::Write { target, addr, len, offset: HERE }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        // The turn ends with this.
        let Self { buf, turn, .. } = self;
        drop(turn);
        if res < 0 {
            Err(BufError::new(errors::from_res(res), buf))
        } else {
            Ok((res as usize, buf))
        }
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

#[cfg(test)]
mod tests;
