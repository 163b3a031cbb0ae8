//! Remove an armed poll. Mirrors io_uring_prep_poll_remove(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, done};

/// Removes the [`PollAdd`](super::PollAdd) that was submitted with `user_data`; it completes with
/// `ECANCELED`.
///
/// # Kernel
/// `POLL_REMOVE`, since 5.1. *Inline*.
///
/// # Errors
/// `ENOENT` (no such poll: it has completed), `EALREADY` (it completes just now).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_POLL_REMOVE")]
#[doc(alias = "io_uring_prep_poll_remove")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollRemove {
    /// Of the poll to remove.
    pub user_data: u64,
}

impl Op for PollRemove {
    const OPCODE: Opcode = Opcode::POLL_REMOVE;
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
