//! Remove an armed timeout. Mirrors io_uring_prep_timeout_remove(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, done};

/// Removes the [`Timeout`](super::Timeout) that was submitted with `user_data`; it completes with
/// `ECANCELED`.
///
/// # Kernel
/// `TIMEOUT_REMOVE`, since 5.5. *Inline*.
///
/// # Errors
/// `ENOENT` (no such timeout: it has completed), `EALREADY` (it expires just now).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_TIMEOUT_REMOVE")]
#[doc(alias = "io_uring_prep_timeout_remove")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutRemove {
    /// Of the timeout to remove.
    pub user_data: u64,
}

impl Op for TimeoutRemove {
    const OPCODE: Opcode = Opcode::TIMEOUT_REMOVE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.addr = self.user_data;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
