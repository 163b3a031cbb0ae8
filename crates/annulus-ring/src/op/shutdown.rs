//! Shut down part of a connection. Mirrors shutdown(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};

/// Ends receiving, sending or both on a connection, whoever else holds the socket.
///
/// # Kernel
/// `SHUTDOWN`, since 5.11. Always *punted*: the system call cannot block and costs a fifth.
///
/// # Errors
/// Those of shutdown(2): `EINVAL`, `ENOTCONN`, `ENOTSOCK`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_SHUTDOWN")]
#[doc(alias = "io_uring_prep_shutdown")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shutdown {
    /// The socket.
    pub target: Target,
    /// `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
    pub how: i32,
}

impl Op for Shutdown {
    const OPCODE: Opcode = Opcode::SHUTDOWN;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.len = self.how as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
