//! Pass a direct descriptor to another ring. Mirrors io_uring_prep_msg_ring_fd(3).

use std::io;

use annulus_abi::{Cqe, MsgRingCommand, MsgRingFlags, Opcode, Sqe};

use super::{Op, Place, Target, count};
use crate::{OpConflict, Version};

/// Puts the file of a slot of this ring into a slot of another ring, and posts a completion there
/// that says so (unless [`MsgRingFlags::CQE_SKIP`]).
///
/// The output is the slot that the kernel chose, with [`Place::FixedAny`]; else 0. The completion
/// on the target has the same result.
///
/// # Kernel
/// `MSG_RING` with `IORING_MSG_SEND_FD`, since 6.0. *Inline*, or task work of the target.
///
/// # Errors
/// As [`MsgRing`](super::MsgRing), and `EBADF` (the source slot is empty), `ENFILE` (no free slot),
/// `EINVAL` (the target is this ring, or `place` is [`Place::Fd`]). After `EOVERFLOW` the file has
/// arrived though its completion has not.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_MSG_RING")]
#[doc(alias = "io_uring_prep_msg_ring_fd")]
#[doc(alias = "io_uring_prep_msg_ring_fd_alloc")]
#[doc(alias = "IORING_MSG_SEND_FD")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsgRingFd {
    /// The other ring.
    pub target: Target,
    /// Of the completion there.
    pub user_data: u64,
    /// The slot of this ring.
    pub slot: u32,
    /// The slot of the other: [`Place::Fixed`] or [`Place::FixedAny`].
    pub place: Place,
    /// [`MsgRingFlags::CQE_SKIP`].
    pub flags: MsgRingFlags,
}

impl Op for MsgRingFd {
    const OPCODE: Opcode = Opcode::MSG_RING;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.user_data;
        sqe.addr = MsgRingCommand::SEND_FD.0;
        sqe.op_flags = self.flags.bits();
        sqe.addr3 = u64::from(self.slot);
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        (6, 0)
    }

    fn check(&self) -> Result<(), OpConflict> {
        let nowhere = self.place == Place::Fd;
        OpConflict::if_any(Self::OPCODE, &[(nowhere, "a direct descriptor goes to a slot")])
    }
}

#[cfg(test)]
mod tests;
