//! Announce how a file will be read. Mirrors posix_fadvise(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done, first_kernel};
use crate::Version;

/// Announces an access pattern for a range of a file.
///
/// # Kernel
/// `FADVISE`, since 5.6; ranges of 4 GiB and more since 6.11. *Inline* for `POSIX_FADV_NORMAL`,
/// `_RANDOM` and `_SEQUENTIAL`; *punted* for the others.
///
/// # Errors
/// Those of posix_fadvise(2): `EBADF`, `EINVAL`, `ESPIPE` (a pipe). `EINVAL` too for a long range
/// on an older kernel.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_FADVISE")]
#[doc(alias = "io_uring_prep_fadvise")]
#[doc(alias = "io_uring_prep_fadvise64")]
#[doc(alias = "posix_fadvise")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fadvise {
    /// The file.
    pub target: Target,
    /// Where the range begins.
    pub offset: u64,
    /// How many bytes it has; 0 means to the end of the file.
    pub len: u64,
    /// `POSIX_FADV_*`.
    pub advice: i32,
}

impl Op for Fadvise {
    const OPCODE: Opcode = Opcode::FADVISE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.op_flags = self.advice as u32;
        if let Ok(len) = u32::try_from(self.len) {
            sqe.len = len;
        } else {
            sqe.addr = self.len;
        }
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        if self.len > u64::from(u32::MAX) { (6, 11) } else { first_kernel(Self::OPCODE) }
    }
}

#[cfg(test)]
mod tests;
