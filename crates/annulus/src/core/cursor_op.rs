//! Reads and writes where a cursor is.
//!
//! Owns: the one difference to reads and writes at an offset: the kernel's own position, which
//! those refuse, is a place here. Does not own: where the cursor is (`crate::fs::cursor`).

use std::io;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::Target;

use super::cached_read::Wanted;
use super::file_op::{ReadAt, WriteAt};
use super::key::Handle;
use super::op::Operation;
use super::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use super::{Core, errors};
use crate::buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, receive_len};

/// The offset that means the kernel's own position: for what has no other, and for appending.
pub(crate) const ONWARD: u64 = u64::MAX;

/// A read or a write at an offset.
pub(crate) trait Placed: Operation {
    /// Moves it elsewhere, before it begins.
    fn place(&mut self, offset: u64);

    /// Why it cannot start, wherever that would be.
    fn obstacle(&self) -> Option<io::Error>;
}

impl<B: IoBufMut> Placed for ReadAt<B> {
    fn place(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn obstacle(&self) -> Option<io::Error> {
        receive_len(&self.buf).err().map(|_| errors::no_capacity())
    }
}

impl<B: IoBuf> Placed for WriteAt<B> {
    fn place(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn obstacle(&self) -> Option<io::Error> {
        None
    }
}

impl<V: IoVecBufMut> Placed for ReadVectoredAt<V> {
    fn place(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn obstacle(&self) -> Option<io::Error> {
        self.obstacle_anywhere()
    }
}

impl<V: IoVecBuf> Placed for WriteVectoredAt<V> {
    fn place(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn obstacle(&self) -> Option<io::Error> {
        self.obstacle_anywhere()
    }
}

/// A read or a write, at an offset of the user's or where a cursor is, which may be [`ONWARD`].
pub(crate) struct Here<D> {
    inner: D,
    /// The offset is that of a cursor.
    anywhere: bool,
}

impl<D: Placed> Here<D> {
    /// At an offset, which is refused if no file has it.
    pub(crate) fn at(mut inner: D, offset: u64) -> Self {
        inner.place(offset);
        Self { inner, anywhere: false }
    }

    /// Where a cursor is.
    pub(crate) fn at_cursor(mut inner: D, offset: u64) -> Self {
        inner.place(offset);
        Self { inner, anywhere: true }
    }
}

// SAFETY: the operation inside keeps the contract; only the offset is another.
unsafe impl<D: Placed> Operation for Here<D> {
    type Output = D::Output;
    const OPCODE: Option<Opcode> = D::OPCODE;
    const READS_FILE: bool = D::READS_FILE;

    fn handle(&self) -> Option<Handle> {
        self.inner.handle()
    }

    fn refusal(&self) -> Option<io::Error> {
        if self.anywhere { self.inner.obstacle() } else { self.inner.refusal() }
    }

    fn wanted(&mut self) -> Option<Wanted> {
        // What has no position is no file.
        self.inner.wanted().filter(|wanted| wanted.offset != ONWARD)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.inner.encode(target, sqe);
    }

    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output {
        self.inner.complete(core, res, flags)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        D::refuse(this.map(|this| this.inner), error)
    }
}
