//! Make a descriptor of a slot. Mirrors io_uring_prep_fixed_fd_install(3).

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, FixedFdFlags, Opcode, Sqe};

use super::{Op, Target, descriptor};

/// Gives the process an ordinary descriptor for the file in a slot of the fixed-file table.
///
/// The slot keeps its file. Whoever decodes the completion owns the descriptor and must close it.
///
/// # Kernel
/// `FIXED_FD_INSTALL`, since 6.8. *Inline*.
///
/// # Errors
/// `EBADF` (the slot is empty), `EMFILE`, `EINVAL`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_FIXED_FD_INSTALL")]
#[doc(alias = "io_uring_prep_fixed_fd_install")]
#[doc(alias = "IORING_FIXED_FD_NO_CLOEXEC")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FixedFdInstall {
    /// The slot.
    pub slot: u32,
    /// Whether programs that this one executes get it too; else it is close-on-exec.
    pub inherit: bool,
}

impl Op for FixedFdInstall {
    const OPCODE: Opcode = Opcode::FIXED_FD_INSTALL;
    type Output = RawFd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        Target::Fixed(self.slot).encode(sqe);
        let flags = if self.inherit { FixedFdFlags::NO_CLOEXEC } else { FixedFdFlags::EMPTY };
        sqe.op_flags = flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<RawFd> {
        descriptor(cqe)
    }
}

#[cfg(test)]
mod tests;
