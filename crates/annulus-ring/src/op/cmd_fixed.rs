//! A command of a driver with a registered buffer. Mirrors io_uring_prep_uring_cmd(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, UringCmdFlags};

use super::{Op, Target, count};
use crate::Version;

/// Asks a driver for something that is its business alone, with memory inside a registered buffer.
///
/// Which part of the buffer is meant, the driver reads from where it likes: `addr` and `len`, or
/// the command itself.
///
/// # Kernel
/// `URING_CMD` with `IORING_URING_CMD_FIXED`, since 6.1. *Inline* or *punted* as the driver
/// decides.
///
/// # Errors
/// `EOPNOTSUPP` (the file takes no commands, or not this one), `EFAULT` (no such registered
/// buffer), and the driver's own.
///
/// # Memory
/// As the driver demands. The buffer stays pinned until the completion.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "io_uring_prep_uring_cmd")]
#[doc(alias = "IORING_URING_CMD_FIXED")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CmdFixed {
    /// The file.
    pub target: Target,
    /// Which command (`cmd_op`).
    pub command: u32,
    /// The entry's `addr`, for commands that use it.
    pub addr: u64,
    /// The entry's `len`, for commands that use it.
    pub len: u32,
    /// Which registered buffer.
    pub buf_index: u16,
    /// The 16 bytes of the command (`cmd`) that fit into an entry of 64 bytes.
    pub data: [u64; 2],
}

impl Op for CmdFixed {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(self.command);
        sqe.addr = self.addr;
        sqe.len = self.len;
        sqe.op_flags = UringCmdFlags::FIXED.bits();
        sqe.buf_index = self.buf_index;
        [sqe.addr3, sqe.pad] = self.data;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        (6, 1)
    }
}

#[cfg(test)]
mod tests;
