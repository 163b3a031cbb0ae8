//! Start or await the write-back of a range. Mirrors sync_file_range(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};

/// Starts, or waits for, writing the dirty pages of a range to the device.
///
/// It writes no metadata and flushes no device cache, so it makes nothing durable; that is
/// [`Fsync`](super::Fsync).
///
/// # Kernel
/// `SYNC_FILE_RANGE`, since 5.2. Always *punted*.
///
/// # Errors
/// Those of sync_file_range(2): `EBADF`, `EINVAL`, `EIO`, `ENOMEM`, `ENOSPC`, `ESPIPE`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_SYNC_FILE_RANGE")]
#[doc(alias = "io_uring_prep_sync_file_range")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncFileRange {
    /// The file.
    pub target: Target,
    /// Where the range begins.
    pub offset: u64,
    /// How many bytes it has; 0 means to the end of the file.
    pub len: u32,
    /// `SYNC_FILE_RANGE_*`.
    pub flags: u32,
}

impl Op for SyncFileRange {
    const OPCODE: Opcode = Opcode::SYNC_FILE_RANGE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.len = self.len;
        sqe.op_flags = self.flags;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
