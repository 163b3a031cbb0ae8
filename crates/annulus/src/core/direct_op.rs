//! Reads and writes with options, and of files with an alignment.
//!
//! Owns: [`With`], which is any transfer with what few need, so that the plain ones pay nothing for
//! it. Does not own: the transfers themselves (`file_op`, `vectored_op`).

use std::io;

use annulus_ring::abi::{Opcode, Sqe};
use annulus_ring::op::Target;

use super::Core;
use super::file_op::{ReadAt, WriteAt};
use super::key::Handle;
use super::op::Operation;
use super::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use crate::buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::fs::{Alignment, AtomicWrites, RwOptions, Span};

/// A read or write of a file.
pub(crate) trait Transfer: Operation {
    const WRITES: bool;

    /// Where it reads or writes; `None` if in several pieces.
    fn span(&self) -> Option<Span>;
}

impl<B: IoBufMut> Transfer for ReadAt<B> {
    const WRITES: bool = false;

    fn span(&self) -> Option<Span> {
        let (address, len) = (self.buf.bytes_ptr() as usize, self.buf.bytes_capacity());
        Some(Span { address, len, offset: self.offset })
    }
}

impl<B: IoBuf> Transfer for WriteAt<B> {
    const WRITES: bool = true;

    fn span(&self) -> Option<Span> {
        let (address, len) = (self.buf.bytes_ptr() as usize, self.buf.bytes_len());
        Some(Span { address, len, offset: self.offset })
    }
}

impl<V: IoVecBufMut> Transfer for ReadVectoredAt<V> {
    const WRITES: bool = false;

    fn span(&self) -> Option<Span> {
        None
    }
}

impl<V: IoVecBuf> Transfer for WriteVectoredAt<V> {
    const WRITES: bool = true;

    fn span(&self) -> Option<Span> {
        None
    }
}

/// What a request is checked against before the kernel sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) alignment: Alignment,
    /// Whether the file is open with O_DIRECT, so that the next is known.
    pub(crate) is_direct: bool,
    pub(crate) atomic: Option<AtomicWrites>,
}

impl Limits {
    /// Those of a file with a page cache.
    pub(crate) const NONE: Self =
        Self { alignment: Alignment::NONE, is_direct: false, atomic: None };
}

/// A transfer with options.
pub(crate) struct With<D> {
    pub(crate) transfer: D,
    pub(crate) how: RwOptions,
    pub(crate) limits: Limits,
}

// SAFETY: the transfer answers for its memory, and nothing else is referred to.
unsafe impl<D: Transfer> Operation for With<D> {
    type Output = D::Output;
    const OPCODE: Option<Opcode> = D::OPCODE;

    #[inline]
    fn handle(&self) -> Option<Handle> {
        self.transfer.handle()
    }

    fn refusal(&self) -> Option<io::Error> {
        let refusal = self.transfer.refusal().or_else(|| self.how.refusal(D::WRITES));
        if refusal.is_some() {
            return refusal;
        }
        let span = self.transfer.span()?;
        let Limits { alignment, is_direct, atomic } = self.limits;
        alignment.check(span, D::WRITES).or_else(|| {
            let checked = is_direct && self.how.is_atomic();
            if checked { AtomicWrites::check(atomic, span) } else { None }
        })
    }

    #[inline]
    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.transfer.encode(target, sqe);
        sqe.op_flags |= self.how.flags() as u32;
        sqe.ioprio = self.how.ioprio();
    }

    #[inline]
    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output {
        self.transfer.complete(core, res, flags)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        D::refuse(this.map(|this| this.transfer), error)
    }
}
