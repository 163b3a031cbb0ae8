//! Allocate or free file space. Mirrors fallocate(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};

/// Allocates, zeroes, collapses or frees a range of a file, as `mode` says.
///
/// # Kernel
/// `FALLOCATE`, since 5.6. Always *punted*.
///
/// # Errors
/// Those of fallocate(2): `EBADF`, `EFBIG`, `EINVAL`, `EIO`, `ENODEV`, `ENOSPC`, `EOPNOTSUPP`,
/// `EPERM`, `ESPIPE`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_FALLOCATE")]
#[doc(alias = "io_uring_prep_fallocate")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fallocate {
    /// The file.
    pub target: Target,
    /// `FALLOC_FL_*`, or 0 to allocate and grow.
    pub mode: i32,
    /// Where the range begins.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
}

impl Op for Fallocate {
    const OPCODE: Opcode = Opcode::FALLOCATE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.addr = self.len;
        sqe.len = self.mode as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
