//! Set the length of a file. Mirrors ftruncate(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};

/// Cuts a file off at `len`, or extends it with zeroes up to there.
///
/// # Kernel
/// `FTRUNCATE`, since 6.9. Always *punted*.
///
/// # Errors
/// Those of ftruncate(2): `EBADF`, `EFBIG`, `EINVAL` (not open for writing; a socket or pipe),
/// `EPERM`, `ETXTBSY`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_FTRUNCATE")]
#[doc(alias = "io_uring_prep_ftruncate")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ftruncate {
    /// The file.
    pub target: Target,
    /// How many bytes the file has afterwards.
    pub len: u64,
}

impl Op for Ftruncate {
    const OPCODE: Opcode = Opcode::FTRUNCATE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.len;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
