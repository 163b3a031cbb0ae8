//! How many bytes wait to be sent. Mirrors SIOCOUTQ of tcp(7) and io_uring_prep_cmd_sock(3).

use std::io;

use annulus_abi::{Cqe, Opcode, SocketOp, Sqe};

use super::{Op, Target, count};
use crate::Version;

/// Says how many bytes of a socket wait to be sent or acknowledged.
///
/// # Kernel
/// `URING_CMD` with `SOCKET_URING_OP_SIOCOUTQ`, since 6.7. *Inline*. Sockets of IP and of no other
/// family.
///
/// # Errors
/// `EOPNOTSUPP` (not a socket, or of a family that does not count), `EINVAL` (it listens).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "SOCKET_URING_OP_SIOCOUTQ")]
#[doc(alias = "io_uring_prep_cmd_sock")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketOutput {
    /// The socket.
    pub target: Target,
}

impl Op for SocketOutput {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(SocketOp::SIOCOUTQ.0);
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
