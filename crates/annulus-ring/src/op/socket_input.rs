//! How many bytes wait to be read. Mirrors SIOCINQ of tcp(7) and io_uring_prep_cmd_sock(3).

use std::io;

use annulus_abi::{Cqe, Opcode, SocketOp, Sqe};

use super::{Op, Target, count};
use crate::Version;

/// Says how many bytes of a socket wait to be read.
///
/// # Kernel
/// `URING_CMD` with `SOCKET_URING_OP_SIOCINQ`, since 6.7. *Inline*. Sockets of IP and of no other
/// family.
///
/// # Errors
/// `EOPNOTSUPP` (not a socket, or of a family that does not count), `EINVAL` (it listens).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "SOCKET_URING_OP_SIOCINQ")]
#[doc(alias = "io_uring_prep_cmd_sock")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketInput {
    /// The socket.
    pub target: Target,
}

impl Op for SocketInput {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(SocketOp::SIOCINQ.0);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        (6, 7)
    }
}

#[cfg(test)]
mod tests;
