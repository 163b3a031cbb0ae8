//! Close a descriptor. Mirrors close(2).

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, done};

/// Closes a descriptor of the process.
///
/// Requests in flight on the same file hold it open and go on: a receive still takes bytes. Cancel
/// them, and await their completions, first. With a [submission thread](crate::Builder::sqpoll) the
/// number is free when the close has completed, but the thread may let go of the file a moment
/// later: a program that was written and closed so can still be busy (`ETXTBSY`). And a request
/// that was *punted* may hold its file after its completion, until the ring is entered again
/// (`ring.submit_and_wait(0, None)`).
///
/// # Kernel
/// `CLOSE`, since 5.6. *Inline*, but *punted* for files whose driver wants to flush (NFS, FUSE).
///
/// # Errors
/// Those of close(2): `EBADF` (also for the descriptor of a ring), `EIO`, `ENOSPC`, `EDQUOT`. After
/// any but `EBADF` the descriptor is closed all the same.
///
/// # Memory
/// None. The descriptor's number must not be given up to anyone else before the completion.
#[doc(alias = "IORING_OP_CLOSE")]
#[doc(alias = "io_uring_prep_close")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Close {
    /// What to close.
    pub fd: RawFd,
}

impl Op for Close {
    const OPCODE: Opcode = Opcode::CLOSE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.fd;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
