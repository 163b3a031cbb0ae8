//! A command of a driver. Mirrors io_uring_prep_cmd(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, count};

/// Gives a command to the driver behind a file: a block device, an NVMe queue, ublk, FUSE, a
/// socket.
///
/// What the command is, what its fields mean and what it may do to memory is the driver's business
/// alone.
///
/// # Kernel
/// `URING_CMD`, since 5.19. *Inline* or *punted* as the driver decides.
///
/// # Errors
/// `EOPNOTSUPP` (the file takes no commands, or not this one), and the driver's own.
///
/// # Memory
/// As the driver demands.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "__io_uring_prep_uring_cmd")]
#[doc(alias = "io_uring_prep_uring_cmd")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cmd {
    /// The file.
    pub target: Target,
    /// Which command (`cmd_op`).
    pub command: u32,
    /// The entry's `addr`, for commands that use it.
    pub addr: u64,
    /// The entry's `len`, for commands that use it.
    pub len: u32,
    /// `IORING_URING_CMD_*`.
    pub flags: u32,
    /// The 16 bytes of the command (`cmd`) that fit into an entry of 64 bytes.
    pub data: [u64; 2],
}

impl Op for Cmd {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(self.command);
        sqe.addr = self.addr;
        sqe.len = self.len;
        sqe.op_flags = self.flags;
        sqe.addr3 = self.data[0];
        sqe.pad = self.data[1];
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
