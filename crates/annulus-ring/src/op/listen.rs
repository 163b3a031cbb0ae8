//! Let a socket accept connections. Mirrors listen(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, done};

/// Makes a socket a listening one.
///
/// # Kernel
/// `LISTEN`, since 6.11. *Inline*.
///
/// # Errors
/// Those of listen(2): `EADDRINUSE`, `EDESTADDRREQ`, `EINVAL`, `EOPNOTSUPP`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_LISTEN")]
#[doc(alias = "io_uring_prep_listen")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen {
    /// The socket.
    pub target: Target,
    /// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    pub backlog: i32,
}

impl Op for Listen {
    const OPCODE: Opcode = Opcode::LISTEN;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.len = self.backlog as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
