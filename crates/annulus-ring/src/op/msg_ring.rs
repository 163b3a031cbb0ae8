//! Post a completion on another ring. Mirrors io_uring_prep_msg_ring(3).

use std::io;

use annulus_abi::{Cqe, CqeFlags, MsgRingCommand, MsgRingFlags, Opcode, Sqe};

use super::{OLDEST, Op, Target, done, first_kernel, later};
use crate::{OpConflict, Version};

/// Makes a completion appear on another ring, with `user_data` and `res` of one's choice.
///
/// The target's thread wakes if it waits. If the target's CQ is full the completion goes to its
/// overflow list, and the sender is not told.
///
/// # Kernel
/// `MSG_RING`, since 5.18; `cqe_flags` since 6.3. *Inline*; to a ring with `DEFER_TASKRUN` it is
/// handed over as task work, which is fast since 6.11.
///
/// # Errors
/// `EBADFD` (not a ring, or a disabled one), `EBADF`, `EINVAL`, `ENOMEM`, `EOVERFLOW` (the target
/// lost it).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_MSG_RING")]
#[doc(alias = "io_uring_prep_msg_ring")]
#[doc(alias = "io_uring_prep_msg_ring_cqe_flags")]
#[doc(alias = "IORING_MSG_DATA")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsgRing {
    /// The other ring (or this one).
    pub target: Target,
    /// Of the completion.
    pub user_data: u64,
    /// Its result.
    pub res: i32,
    /// Its flags, if it is to have any; must not set what the kernel itself sets.
    pub cqe_flags: Option<CqeFlags>,
    /// Further flags of the request.
    pub flags: MsgRingFlags,
}

impl Op for MsgRing {
    const OPCODE: Opcode = Opcode::MSG_RING;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.user_data;
        sqe.addr = MsgRingCommand::DATA.0;
        sqe.len = self.res as u32;
        let mut flags = self.flags;
        if let Some(cqe_flags) = self.cqe_flags {
            flags |= MsgRingFlags::FLAGS_PASS;
            sqe.file_index = cqe_flags.bits();
        }
        sqe.op_flags = flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        let flags = if self.cqe_flags.is_some() { (6, 3) } else { OLDEST };
        later(first_kernel(Self::OPCODE), flags)
    }

    fn check(&self) -> Result<(), OpConflict> {
        let skip = self.flags.contains(MsgRingFlags::CQE_SKIP);
        OpConflict::if_any(Self::OPCODE, &[(skip, "a message is nothing but its completion")])
    }
}

#[cfg(test)]
mod tests;
