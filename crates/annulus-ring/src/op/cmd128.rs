//! A command of a driver, with 80 bytes of it in the entry. Mirrors io_uring_prep_uring_cmd128(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe128, SqeFlags, UringCmdFlags};

use super::{Target, WideOp, count};

/// Asks a driver for something that is its business alone, with a command of 80 bytes: NVMe
/// passthrough, for one.
///
/// # Kernel
/// `URING_CMD128`, since 6.19, on a ring of mixed entries
/// ([`SetupFlags::SQE_MIXED`](annulus_abi::SetupFlags::SQE_MIXED)), or one whose entries all have
/// 128 bytes. *Inline* or *punted* as the driver decides.
///
/// # Errors
/// `EOPNOTSUPP` (the file takes no commands, or not this one), `EINVAL` (the ring has entries of 64
/// bytes), and the driver's own.
///
/// # Memory
/// As the driver demands.
#[doc(alias = "IORING_OP_URING_CMD128")]
#[doc(alias = "io_uring_prep_uring_cmd128")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cmd128 {
    /// The file.
    pub target: Target,
    /// Which command (`cmd_op`).
    pub command: u32,
    /// The entry's `addr`, for commands that use it.
    pub addr: u64,
    /// The entry's `len`, for commands that use it.
    pub len: u32,
    /// [`UringCmdFlags::FIXED`] and kin.
    pub flags: UringCmdFlags,
    /// A registered buffer with [`UringCmdFlags::FIXED`], or a group with
    /// [`UringCmdFlags::MULTISHOT`]; else 0.
    pub buf_index: u16,
    /// The command (`cmd`).
    pub data: [u8; 80],
}

impl WideOp for Cmd128 {
    const OPCODE: Opcode = Opcode::URING_CMD128;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe128) {
        let head = &mut sqe.sqe;
        head.opcode = Self::OPCODE;
        self.target.encode(head);
        if self.flags.contains(UringCmdFlags::MULTISHOT) {
            head.flags |= SqeFlags::BUFFER_SELECT;
        }
        head.off = u64::from(self.command);
        head.addr = self.addr;
        head.len = self.len;
        head.op_flags = self.flags.bits();
        head.buf_index = self.buf_index;
        let (first, rest) = self.data.split_at(16);
        let mut cmd = [0; 16];
        cmd.copy_from_slice(first);
        head.set_cmd(cmd);
        sqe.cmd_rest.copy_from_slice(rest);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
