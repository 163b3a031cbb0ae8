//! Nothing at all. Has no man page of its own: see io_uring_prep_nop(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, done};

/// Does nothing, and completes.
///
/// Good for measuring what a ring itself costs, for waking its owner, and as a padding or barrier
/// in chains.
///
/// # Kernel
/// `NOP`, since 5.1. *Inline*: completes while it is submitted.
///
/// # Errors
/// None of its own; `ECANCELED` in a chain that broke.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_NOP")]
#[doc(alias = "io_uring_prep_nop")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nop;

impl Op for Nop {
    const OPCODE: Opcode = Opcode::NOP;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
