//! Cancel by descriptor. Mirrors io_uring_prep_cancel_fd(3).

use std::io;

use annulus_abi::{CancelFlags, Cqe, Opcode, Sqe};

use super::{CancelOutcome, Op, Target};
use crate::{OpConflict, Version};

/// Asks the kernel to end a request on a file, or with [`CancelFlags::ALL`] every one.
///
/// It matches the file that the number stands for when this runs, so it must come before the number
/// is closed. Each cancelled request completes by itself, as with [`Cancel`](super::Cancel).
///
/// # Kernel
/// `ASYNC_CANCEL`, since 5.19; of slots since 6.0. *Inline*.
///
/// # Errors
/// `EBADF` (the number stands for no file), `EINVAL`. That nothing matched, or that it is too late,
/// is a value: [`CancelOutcome`].
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_ASYNC_CANCEL")]
#[doc(alias = "io_uring_prep_cancel_fd")]
#[doc(alias = "IORING_ASYNC_CANCEL_FD")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelFd {
    /// The file.
    pub target: Target,
    /// [`CancelFlags::EMPTY`] or [`CancelFlags::ALL`].
    pub flags: CancelFlags,
}

impl Op for CancelFd {
    const OPCODE: Opcode = Opcode::ASYNC_CANCEL;
    type Output = CancelOutcome;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        let flags = match self.target {
            Target::Fd(fd) => {
                sqe.fd = fd;
                CancelFlags::FD
            }
            Target::Fixed(slot) => {
                sqe.fd = slot as i32;
                CancelFlags::FD | CancelFlags::FD_FIXED
            }
        };
        sqe.op_flags = (self.flags | flags).bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<CancelOutcome> {
        CancelOutcome::decode(cqe)
    }

    fn since(&self) -> Version {
        if matches!(self.target, Target::Fixed(_)) { (6, 0) } else { (5, 19) }
    }

    fn check(&self) -> Result<(), OpConflict> {
        let keys = !self.flags.without(CancelFlags::ALL).is_empty();
        OpConflict::if_any(Self::OPCODE, &[(keys, "other keys are CancelMatching's")])
    }
}

#[cfg(test)]
mod tests;
