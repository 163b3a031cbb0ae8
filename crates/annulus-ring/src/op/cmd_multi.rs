//! A command of a driver that goes on. Mirrors io_uring_prep_uring_cmd(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, SqeFlags, UringCmdFlags};

use super::{Op, Received, Target, received};
use crate::Version;

/// Asks a driver for something that happens again and again, each time into a buffer of group
/// `bgid`.
///
/// The request stays armed as long as completions carry
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE).
///
/// # Kernel
/// `URING_CMD` with `IORING_URING_CMD_MULTISHOT`, since 6.18 (`EINVAL` before); of drivers that
/// know it.
///
/// # Errors
/// `EOPNOTSUPP` (the file takes no commands, or not this one), `ENOBUFS` (the group has no buffer),
/// and the driver's own.
///
/// # Memory
/// As the driver demands, and all buffers of the group, as their [`BufRing`](crate::BufRing)
/// demands.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "IORING_URING_CMD_MULTISHOT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CmdMulti {
    /// The file.
    pub target: Target,
    /// Which command (`cmd_op`).
    pub command: u32,
    /// The entry's `addr`, for commands that use it.
    pub addr: u64,
    /// The entry's `len`, for commands that use it.
    pub len: u32,
    /// The group that buffers are taken from.
    pub bgid: u16,
    /// The 16 bytes of the command (`cmd`) that fit into an entry of 64 bytes.
    pub data: [u64; 2],
}

impl Op for CmdMulti {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.off = u64::from(self.command);
        sqe.addr = self.addr;
        sqe.len = self.len;
        sqe.op_flags = UringCmdFlags::MULTISHOT.bits();
        sqe.buf_index = self.bgid;
        [sqe.addr3, sqe.pad] = self.data;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        (6, 18)
    }
}

#[cfg(test)]
mod tests;
