//! Empty every zone of a device. Mirrors io_uring_prep_cmd_zone_reset_all(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};

/// Resets the write pointer of every zone of a zoned block device: all that it holds is gone.
///
/// # Kernel
/// `URING_CMD` with `BLOCK_URING_CMD_ZONE_RESET_ALL`, of newer kernels than liburing 2.14 knew. The
/// device completes it.
///
/// # Errors
/// `EBADF` (not open for writing), `EOPNOTSUPP` (not a zoned block device, or an older kernel),
/// `EIO`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "BLOCK_URING_CMD_ZONE_RESET_ALL")]
#[doc(alias = "io_uring_prep_cmd_zone_reset_all")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneResetAll {
    /// The block device.
    pub target: Target,
}

/// The command (`BLOCK_URING_CMD_ZONE_RESET_ALL`, `_IO(0x12, 1)`).
const COMMAND: u64 = 0x1201;

impl Op for ZoneResetAll {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = COMMAND;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
