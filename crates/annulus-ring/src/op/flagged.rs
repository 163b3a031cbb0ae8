//! What a submitter adds to any operation. Mirrors io_uring_sqe_set_flags(3) and
//! io_uring_register_personality(3).

use std::io;

use annulus_abi::{Cqe, Features, Opcode, Sqe, SqeFlags};

use super::{OLDEST, Op, later};
use crate::{OpConflict, Version};

/// Any operation, with flags of the submitter and a personality.
///
/// Made with [`Op::flagged`]. It is an operation itself, and can be pushed wherever one can; an
/// operation without it pays nothing for it.
///
/// ```
/// use annulus_abi::{Sqe, SqeFlags};
/// use annulus_ring::op::{Nop, Op};
///
/// let mut sqe = Sqe::default();
/// Nop.flagged().linked().silent().acting_as(3).encode(&mut sqe);
/// assert_eq!(sqe.flags, SqeFlags::IO_LINK | SqeFlags::CQE_SKIP_SUCCESS);
/// assert_eq!(sqe.personality, 3);
/// ```
///
/// Every flag of an entry has one place:
///
/// | flag | where it is said |
/// |---|---|
/// | `FIXED_FILE` | [`Target::Fixed`](super::Target::Fixed) |
/// | `BUFFER_SELECT` | the operations that have a `bgid`: [`ReadSelect`](super::ReadSelect), [`RecvSelect`](super::RecvSelect), [`RecvMulti`](super::RecvMulti), … |
/// | `IO_LINK`, `IO_HARDLINK` | [`linked`](Self::linked), [`hard_linked`](Self::hard_linked), or better [`Ring::chain`](crate::Ring::chain), which cannot be left half done |
/// | `IO_DRAIN` | [`drained`](Self::drained) |
/// | `ASYNC` | [`on_worker`](Self::on_worker) |
/// | `CQE_SKIP_SUCCESS` | [`silent`](Self::silent) |
/// | the `personality` field | [`acting_as`](Self::acting_as) |
///
/// # Kernel
/// The opcode of the operation inside; links since 5.3, hard ones since 5.5, drain since 5.2,
/// `ASYNC` since 5.6, `CQE_SKIP_SUCCESS` since 5.17, personalities since 5.6.
///
/// # Errors
/// As the operation inside, and `EINVAL` (no such personality), `EOPNOTSUPP` (a drain on a ring
/// that has seen `CQE_SKIP_SUCCESS`), `ECANCELED` (the chain broke before it).
///
/// # Memory
/// As the operation inside. A request that makes no completion when it succeeds cannot say when its
/// memory is free: let another one, linked behind it, say so.
#[doc(alias = "IORING_OP_*")]
#[doc(alias = "IOSQE_IO_LINK")]
#[doc(alias = "IOSQE_IO_HARDLINK")]
#[doc(alias = "IOSQE_IO_DRAIN")]
#[doc(alias = "IOSQE_ASYNC")]
#[doc(alias = "IOSQE_CQE_SKIP_SUCCESS")]
#[doc(alias = "io_uring_sqe_set_flags")]
#[doc(alias = "personality")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flagged<O> {
    /// The operation.
    pub op: O,
    /// Flags of the submitter.
    pub flags: SqeFlags,
    /// Whose credentials it acts with, from
    /// [`RegisterOp::PERSONALITY`](annulus_abi::RegisterOp::PERSONALITY); 0 for the submitter's.
    pub personality: u16,
}

impl<O> Flagged<O> {
    /// The next entry starts when this one has succeeded, and is cancelled if it has not.
    #[must_use]
    pub const fn linked(self) -> Self {
        self.with(SqeFlags::IO_LINK)
    }

    /// The next entry starts when this one has ended, however it ended.
    #[must_use]
    pub const fn hard_linked(self) -> Self {
        self.with(SqeFlags::IO_HARDLINK)
    }

    /// It starts when everything before it has completed, and what comes after it waits for it.
    #[must_use]
    pub const fn drained(self) -> Self {
        self.with(SqeFlags::IO_DRAIN)
    }

    /// A worker thread does it, without a try before.
    #[must_use]
    pub const fn on_worker(self) -> Self {
        self.with(SqeFlags::ASYNC)
    }

    /// It posts no completion if it succeeds.
    #[must_use]
    pub const fn silent(self) -> Self {
        self.with(SqeFlags::CQE_SKIP_SUCCESS)
    }

    /// It acts with the credentials that were registered under this number.
    #[must_use]
    pub const fn acting_as(mut self, personality: u16) -> Self {
        self.personality = personality;
        self
    }

    const fn with(mut self, flags: SqeFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }
}

impl<O: Op> Op for Flagged<O> {
    const OPCODE: Opcode = O::OPCODE;
    type Output = O::Output;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        self.op.encode(sqe);
        sqe.flags |= self.flags;
        sqe.personality = self.personality;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<O::Output> {
        O::decode(cqe)
    }

    fn since(&self) -> Version {
        let flags = self.flags.since().unwrap_or(OLDEST);
        let personality = if self.personality == 0 { OLDEST } else { (5, 6) };
        later(self.op.since(), later(flags, personality))
    }

    fn features(&self) -> Features {
        let silent = self.flags.contains(SqeFlags::CQE_SKIP_SUCCESS);
        let own = if silent { Features::CQE_SKIP } else { Features::EMPTY };
        self.op.features() | own
    }

    fn check(&self) -> Result<(), OpConflict> {
        let has = |flag| self.flags.contains(flag);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (
                    has(SqeFlags::IO_DRAIN | SqeFlags::CQE_SKIP_SUCCESS),
                    "a drain counts completions, so none may be skipped",
                ),
                (has(SqeFlags::FIXED_FILE), "a slot is said with Target::Fixed"),
                (
                    has(SqeFlags::BUFFER_SELECT),
                    "a group is said with the operation that has a bgid",
                ),
            ],
        )?;
        self.op.check()
    }
}

#[cfg(test)]
mod tests;
