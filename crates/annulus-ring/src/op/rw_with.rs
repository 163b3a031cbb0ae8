//! Options of every read and write. Mirrors io_uring_prep_readv2(3), io_uring_prep_writev2(3) and
//! ioprio_set(2).

use std::{io, ptr};

use annulus_abi::{AttrPi, Cqe, Features, Opcode, Sqe};

use super::{
    Op, Read, ReadFixed, ReadSelect, Readv, ReadvFixed, Write, WriteFixed, Writev, WritevFixed,
    address, later,
};
use crate::{OpConflict, Version};

/// An operation that reads or writes a file at an offset, so that [`RwWith`] applies to it.
pub trait ReadWrite: Op {}

impl ReadWrite for Read {}
impl ReadWrite for ReadFixed {}
impl ReadWrite for ReadSelect {}
impl ReadWrite for Readv {}
impl ReadWrite for ReadvFixed {}
impl ReadWrite for Write {}
impl ReadWrite for WriteFixed {}
impl ReadWrite for Writev {}
impl ReadWrite for WritevFixed {}

/// A read or write with the options that few need: flags of preadv2(2), a priority, protection
/// information.
///
/// ```
/// use annulus_abi::{Opcode, Sqe};
/// use annulus_ring::{Target, op::{Op, Read, RwWith}};
///
/// let mut buffer = [0u8; 512];
/// let read = Read { target: Target::Fd(3), addr: buffer.as_mut_ptr(), len: 512, offset: 0 };
/// let cached = RwWith { flags: libc::RWF_NOWAIT, ..RwWith::of(read) };
/// let mut sqe = Sqe::default();
/// cached.encode(&mut sqe);
/// assert_eq!((sqe.opcode, sqe.op_flags), (Opcode::READ, libc::RWF_NOWAIT as u32));
/// ```
///
/// # Kernel
/// The opcode of the operation inside. The flags are as old as their system call: `RWF_APPEND`
/// since 4.16, `RWF_NOAPPEND` since 6.9, `RWF_ATOMIC` since 6.11, `RWF_DONTCACHE` since 6.14;
/// `attr` since 6.14 ([`Features::RW_ATTR`]).
///
/// # Errors
/// As the operation inside, and `EOPNOTSUPP` (flags that the file system does not know), `EINVAL`
/// (unknown flags, a class of priority that there is not), `EPERM` (a real-time priority), `EAGAIN`
/// with `RWF_NOWAIT`.
///
/// # Memory
/// As the operation inside. What `attr` points at is copied when the kernel takes the entry; the
/// protection information itself is borrowed as the data is.
#[doc(alias = "IORING_OP_READ")]
#[doc(alias = "IORING_OP_WRITE")]
#[doc(alias = "IORING_RW_ATTR_FLAG_PI")]
#[doc(alias = "io_uring_prep_readv2")]
#[doc(alias = "io_uring_prep_writev2")]
#[doc(alias = "rw_flags")]
#[doc(alias = "ioprio")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RwWith<O> {
    /// The read or write.
    pub op: O,
    /// `RWF_*`: `RWF_NOWAIT`, `RWF_HIPRI`, `RWF_DSYNC`, `RWF_APPEND`, …; besides those that the
    /// operation has already.
    pub flags: i32,
    /// As ioprio_set(2): the class in the upper 3 bits, the level in the lower 13; 0 for the
    /// task's.
    pub ioprio: u16,
    /// Protection information, or null.
    pub attr: *const AttrPi,
}

impl<O: ReadWrite> RwWith<O> {
    /// The operation, with no option yet.
    pub const fn of(op: O) -> Self {
        Self { op, flags: 0, ioprio: 0, attr: ptr::null() }
    }
}

impl<O: ReadWrite> Op for RwWith<O> {
    const OPCODE: Opcode = O::OPCODE;
    type Output = O::Output;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        self.op.encode(sqe);
        sqe.ioprio = self.ioprio;
        sqe.op_flags |= self.flags as u32;
        if !self.attr.is_null() {
            sqe.addr3 = address(self.attr);
            sqe.pad = AttrPi::TYPE;
        }
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<O::Output> {
        O::decode(cqe)
    }

    fn since(&self) -> Version {
        if self.attr.is_null() { self.op.since() } else { later(self.op.since(), (6, 14)) }
    }

    fn features(&self) -> Features {
        let attr = if self.attr.is_null() { Features::EMPTY } else { Features::RW_ATTR };
        self.op.features() | attr
    }

    fn check(&self) -> Result<(), OpConflict> {
        let both = libc::RWF_APPEND | RWF_NOAPPEND;
        let conflict = self.flags & both == both;
        OpConflict::if_any(Self::OPCODE, &[(conflict, "it appends or it does not")])?;
        self.op.check()
    }
}

/// Write at the offset although the file was opened to append (`RWF_NOAPPEND`).
const RWF_NOAPPEND: i32 = 0x20;

#[cfg(test)]
mod tests;
