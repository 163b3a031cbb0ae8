//! Give up blocks of a device. Mirrors `BLKDISCARD` and io_uring_prep_cmd_discard(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};
use crate::Version;

/// Tells a block device that a range is no longer needed.
///
/// # Kernel
/// `URING_CMD` with `BLOCK_URING_CMD_DISCARD`, since 6.12. The device completes it.
///
/// # Errors
/// `EBADF` (not open for writing), `EINVAL` (not in whole blocks), `EOPNOTSUPP` (not a block
/// device, or one that cannot), `EPERM`, `EIO`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "BLOCK_URING_CMD_DISCARD")]
#[doc(alias = "io_uring_prep_cmd_discard")]
#[doc(alias = "BLKDISCARD")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Discard {
    /// The block device.
    pub target: Target,
    /// Where the range begins, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
}

/// The command (`BLOCK_URING_CMD_DISCARD`, `_IO(0x12, 0)`).
const COMMAND: u64 = 0x1200;

impl Op for Discard {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = COMMAND;
        sqe.addr = self.offset;
        sqe.addr3 = self.len;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        (6, 12)
    }
}

#[cfg(test)]
mod tests;
