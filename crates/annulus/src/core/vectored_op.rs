//! Scattered reads and gathered writes: several buffers in one request.
//!
//! Owns: the operations, with the list of pieces that the kernel reads. Invariant: the list is
//! built anew each time the request goes to the kernel, after the buffers' last move.

use std::io;

use annulus_ring::abi::{Opcode, RecvSendFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::file_op::no_such_offset;
use super::key::Handle;
use super::op::Operation;
use super::table::Lane;
use super::{Core, errors};
use crate::buf::{BufError, BufResult, IoVecBuf, IoVecBufMut};

/// The most pieces of one request (`UIO_MAXIOV`).
const PIECES_MAX: usize = 1024;

/// The list that the kernel reads.
#[derive(Default)]
pub(super) struct Pieces(Vec<libc::iovec>);

// SAFETY: the addresses are only read by the kernel, and name memory of the buffers that the same
// operation owns; wherever it goes they stay valid.
unsafe impl Send for Pieces {}
// SAFETY: nothing reads them through a shared reference.
unsafe impl Sync for Pieces {}

impl Pieces {
    fn push(&mut self, address: *const u8, len: usize) {
        if len > 0 {
            self.0.push(libc::iovec { iov_base: address.cast_mut().cast(), iov_len: len });
        }
    }

    /// The initialised bytes of `bufs` behind the first `skipped`, as many as one request takes.
    pub(super) fn gather<V: IoVecBuf>(&mut self, bufs: &V, mut skipped: usize) {
        self.0.clear();
        for index in 0..bufs.part_count() {
            if self.0.len() == PIECES_MAX {
                return;
            }
            let (address, len) = bufs.part(index);
            let skip = skipped.min(len);
            skipped -= skip;
            // Within the part, or one past its end.
            self.push(address.wrapping_add(skip), len - skip);
        }
    }

    pub(super) fn list(&self) -> (*const libc::iovec, u32) {
        (self.0.as_ptr(), self.0.len() as u32)
    }
}

pub(super) fn too_many(parts: usize) -> Option<io::Error> {
    (parts > PIECES_MAX).then(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{parts} buffers in one request; the kernel takes {PIECES_MAX}"),
        )
    })
}

/// A read at an offset into several buffers.
pub(crate) struct ReadVectoredAt<V> {
    handle: Handle,
    pub(super) bufs: V,
    pub(super) offset: u64,
    has_room: bool,
    pieces: Pieces,
}

impl<V: IoVecBufMut> ReadVectoredAt<V> {
    pub(crate) fn new(handle: Handle, mut bufs: V, offset: u64) -> Self {
        let has_room = bufs.total_capacity() > 0;
        Self { handle, bufs, offset, has_room, pieces: Pieces::default() }
    }

    /// Why it cannot start, wherever that would be.
    pub(super) fn obstacle_anywhere(&self) -> Option<io::Error> {
        let no_room = (!self.has_room).then(errors::no_capacity);
        no_room.or_else(|| too_many(self.bufs.part_count()))
    }
}

// SAFETY: the buffers' memory is stable (the contract of `IoVecBufMut`), the list is on the heap,
// and both are owned by this operation.
unsafe impl<V: IoVecBufMut> Operation for ReadVectoredAt<V> {
    type Output = BufResult<usize, V>;
    const OPCODE: Option<Opcode> = Some(Opcode::READV);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        self.obstacle_anywhere().or_else(|| no_such_offset(self.offset))
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.pieces.0.clear();
        for index in 0..self.bufs.part_count() {
            let (address, len) = self.bufs.part_mut(index);
            self.pieces.push(address, len);
        }
        let (iovecs, count) = self.pieces.list();
        op::Readv { target, iovecs, count, offset: self.offset, flags: 0 }.encode(sqe);
    }

    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.bufs));
        }
        // SAFETY: the kernel filled the parts in order, each to its capacity before the next, with
        // `res` bytes in all.
        unsafe { self.bufs.set_total_len(res as usize) };
        Ok((res as usize, self.bufs))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.bufs)))
    }
}

/// A write at an offset from several buffers.
pub(crate) struct WriteVectoredAt<V> {
    handle: Handle,
    pub(super) bufs: V,
    pub(super) offset: u64,
    /// Of a whole that is written by several requests: how much of it was.
    written: Option<usize>,
    pieces: Pieces,
}

impl<V> WriteVectoredAt<V> {
    pub(crate) fn new(handle: Handle, bufs: V, offset: u64) -> Self {
        Self { handle, bufs, offset, written: None, pieces: Pieces::default() }
    }

    /// What is behind the first `written` bytes, or as much of it as one request takes.
    pub(crate) fn behind(handle: Handle, bufs: V, written: usize) -> Self {
        Self { written: Some(written), ..Self::new(handle, bufs, 0) }
    }
}

impl<V: IoVecBuf> WriteVectoredAt<V> {
    /// Why it cannot start, wherever that would be.
    pub(super) fn obstacle_anywhere(&self) -> Option<io::Error> {
        match self.written {
            None => too_many(self.bufs.part_count()),
            Some(_) => None,
        }
    }
}

// SAFETY: the buffers' memory is stable (the contract of `IoVecBuf`), the list is on the heap, and
// both are owned by this operation.
unsafe impl<V: IoVecBuf> Operation for WriteVectoredAt<V> {
    type Output = BufResult<usize, V>;
    const OPCODE: Option<Opcode> = Some(Opcode::WRITEV);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        self.obstacle_anywhere().or_else(|| no_such_offset(self.offset))
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.pieces.gather(&self.bufs, self.written.unwrap_or(0));
        let (iovecs, count) = self.pieces.list();
        op::Writev { target, iovecs, count, offset: self.offset, flags: 0 }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.bufs));
        }
        Ok((res as usize, self.bufs))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.bufs)))
    }
}

/// The message that names the pieces of a send.
struct Message(Box<libc::msghdr>);

// SAFETY: as for `Pieces`: its only address is that of the list, which the same operation owns.
unsafe impl Send for Message {}
// SAFETY: nothing reads it through a shared reference.
unsafe impl Sync for Message {}

/// A send from several buffers, until all is sent.
pub(crate) struct SendVectored<V> {
    handle: Handle,
    bufs: V,
    sent: usize,
    pieces: Pieces,
    message: Message,
}

impl<V> SendVectored<V> {
    pub(crate) fn new(handle: Handle, bufs: V) -> Self {
        // SAFETY: every field is an integer or a pointer; zero is a value of each.
        let message = Message(Box::new(unsafe { std::mem::zeroed() }));
        Self { handle, bufs, sent: 0, pieces: Pieces::default(), message }
    }
}

impl<V: IoVecBuf> SendVectored<V> {
    /// The message that names what is left to send.
    fn message(&mut self) -> *const libc::msghdr {
        self.pieces.gather(&self.bufs, self.sent);
        self.message.0.msg_iov = self.pieces.0.as_mut_ptr();
        self.message.0.msg_iovlen = self.pieces.0.len();
        &raw const *self.message.0
    }
}

// SAFETY: the buffers' memory is stable (the contract of `IoVecBuf`), list and message are on the
// heap, and all are owned by this operation.
unsafe impl<V: IoVecBuf> Operation for SendVectored<V> {
    type Output = BufResult<usize, V>;
    const OPCODE: Option<Opcode> = Some(Opcode::SENDMSG);
    const LANE: Lane = Lane::Send;
    const CANCELS: bool = false;

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        too_many(self.bufs.part_count())
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let send = op::SendMsg {
            target,
            msg: self.message(),
            flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
            ioprio: RecvSendFlags::EMPTY,
        };
        send.encode(sqe);
    }

    fn resume(&mut self, res: i32) -> bool {
        self.sent += res as usize;
        self.sent < self.bufs.total_len()
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res == -libc::ECANCELED && self.sent > 0 {
            return Err(BufError::new(errors::cut_short(self.sent), self.bufs));
        }
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.bufs));
        }
        if self.sent < self.bufs.total_len() {
            if res > 0 {
                // Something was sent, and yet the rest was not tried: it was cancelled.
                return Err(BufError::new(errors::cut_short(self.sent), self.bufs));
            }
            let error = io::Error::new(io::ErrorKind::WriteZero, "the socket took no more bytes");
            return Err(BufError::new(error, self.bufs));
        }
        Ok((self.sent, self.bufs))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.bufs)))
    }
}

/// A send from several buffers that asks to go without copying.
pub(crate) struct SendVectoredZeroCopy<V>(pub(crate) SendVectored<V>);

// SAFETY: as for `SendVectored`; the operation owns the buffers until the kernel's last
// notification, because its slot does.
unsafe impl<V: IoVecBuf> Operation for SendVectoredZeroCopy<V> {
    type Output = BufResult<usize, V>;
    const OPCODE: Option<Opcode> = Some(Opcode::SENDMSG_ZC);
    const LANE: Lane = Lane::Send;
    const CANCELS: bool = false;

    fn handle(&self) -> Option<Handle> {
        self.0.handle()
    }

    fn refusal(&self) -> Option<io::Error> {
        self.0.refusal()
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let send = op::SendMsgZc {
            target,
            msg: self.0.message(),
            flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
            ioprio: RecvSendFlags::SEND_ZC_REPORT_USAGE,
            buf_index: 0,
        };
        send.encode(sqe);
    }

    fn resume(&mut self, res: i32) -> bool {
        self.0.resume(res)
    }

    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output {
        self.0.complete(core, res, flags)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        SendVectored::refuse(this.map(|this| this.0), error)
    }
}
