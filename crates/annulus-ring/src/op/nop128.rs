//! Nothing, in an entry of 128 bytes. Has no man page of its own: see io_uring_prep_nop128(3).

use std::io;

use annulus_abi::{Cqe, NopFlags, Opcode, Sqe128};

use super::{WideOp, done};

/// Does nothing, and completes. In a ring of mixed entries it fills the two places before the end,
/// where another entry of 128 bytes would wrap.
///
/// # Kernel
/// `NOP128`, since 6.19. *Inline*.
///
/// # Errors
/// `EINVAL`: the ring has entries of 64 bytes alone, or the entry wraps.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_NOP128")]
#[doc(alias = "io_uring_prep_nop128")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nop128 {
    /// As of a NOP of 64 bytes; what they refer to is zero.
    pub flags: NopFlags,
}

impl WideOp for Nop128 {
    const OPCODE: Opcode = Opcode::NOP128;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe128) {
        sqe.sqe.opcode = Self::OPCODE;
        sqe.sqe.fd = -1;
        sqe.sqe.op_flags = self.flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
