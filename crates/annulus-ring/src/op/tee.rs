//! Duplicate what a pipe holds. Mirrors tee(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, count, splice::encode_source};

/// Copies at most `len` bytes from one pipe to another, and leaves them in the first.
///
/// The output is the number of bytes copied; 0 is the end of the input.
///
/// # Kernel
/// `TEE`, since 5.8. Always *punted*.
///
/// # Errors
/// Those of tee(2): `EAGAIN` with `SPLICE_F_NONBLOCK`, `EINVAL` (not two different pipes),
/// `ENOMEM`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_TEE")]
#[doc(alias = "io_uring_prep_tee")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tee {
    /// The pipe that is read.
    pub from: Target,
    /// The pipe that is written.
    pub to: Target,
    /// How many bytes at most.
    pub len: u32,
    /// `SPLICE_F_NONBLOCK`, or 0.
    pub flags: u32,
}

impl Op for Tee {
    const OPCODE: Opcode = Opcode::TEE;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.to.encode(sqe);
        sqe.len = self.len;
        encode_source(self.from, self.flags, sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
