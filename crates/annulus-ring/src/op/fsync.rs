//! Flush a file to its device. Mirrors fsync(2) and fdatasync(2).

use std::io;

use annulus_abi::{Cqe, FsyncFlags, Opcode, Sqe};

use super::{Op, Target, done};

/// Waits until what was written to a file is on its device.
///
/// Covers writes that completed before this was submitted; requests in flight beside it are not
/// ordered by it. A whole file is flushed here; `SYNC_FILE_RANGE` is no substitute, as it leaves
/// out metadata.
///
/// # Kernel
/// `FSYNC`, since 5.1. Always *punted*: it blocks a worker thread.
///
/// # Errors
/// Those of fsync(2): `EBADF`, `EINVAL` (what cannot be flushed), `EIO`, `ENOSPC`, `EDQUOT`. After
/// an error it is unknown which pages reached the device, and a second try may wrongly succeed.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_FSYNC")]
#[doc(alias = "io_uring_prep_fsync")]
#[doc(alias = "fdatasync")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fsync {
    /// What to flush.
    pub target: Target,
    /// [`FsyncFlags::DATASYNC`] leaves out metadata that reading the data back does not need.
    pub flags: FsyncFlags,
}

impl Op for Fsync {
    const OPCODE: Opcode = Opcode::FSYNC;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.op_flags = self.flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
