//! Flush part of a file to its device. Mirrors io_uring_prep_fsync(3), whose range the man page
//! describes.

use std::io;

use annulus_abi::{Cqe, FsyncFlags, Opcode, Sqe};

use super::{Op, Target, done};

/// Waits until what was written to a range of a file is on its device.
///
/// As [`Fsync`](super::Fsync), of which it is the long form; file systems may flush more than the
/// range, and most flush the whole file.
///
/// # Kernel
/// `FSYNC`, since 5.1. Always *punted*.
///
/// # Errors
/// As [`Fsync`](super::Fsync), and `EINVAL` for a range that ends before it begins.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_FSYNC")]
#[doc(alias = "io_uring_prep_fsync")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FsyncRange {
    /// What to flush.
    pub target: Target,
    /// Where the range begins.
    pub offset: u64,
    /// How many bytes it has; 0 means to the end of the file.
    pub len: u32,
    /// [`FsyncFlags::DATASYNC`] leaves out metadata that reading the data back does not need.
    pub flags: FsyncFlags,
}

impl Op for FsyncRange {
    const OPCODE: Opcode = Opcode::FSYNC;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.len = self.len;
        sqe.op_flags = self.flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
