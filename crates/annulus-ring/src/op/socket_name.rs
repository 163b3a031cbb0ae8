//! The address of a socket or of its peer. Mirrors getsockname(2), getpeername(2) and
//! io_uring_prep_cmd_getsockname(3).

use std::io;

use annulus_abi::{Cqe, Opcode, SocketOp, Sqe};

use super::{Op, Target, address, done};
use crate::Version;

/// Writes the address that a socket is bound to, or that of its peer.
///
/// # Kernel
/// `URING_CMD` with `SOCKET_URING_OP_GETSOCKNAME`, since 6.19 (`EOPNOTSUPP` before). *Inline*.
///
/// # Errors
/// Those of getsockname(2): `EBADF`, `EFAULT`, `EINVAL`, `ENOTCONN` (no peer); `EOPNOTSUPP` (not a
/// socket).
///
/// # Memory
/// `addr` (as many bytes as `*addr_len` says) and `addr_len`, writable, until the completion.
#[doc(alias = "IORING_OP_URING_CMD")]
#[doc(alias = "SOCKET_URING_OP_GETSOCKNAME")]
#[doc(alias = "io_uring_prep_cmd_getsockname")]
#[doc(alias = "getsockname")]
#[doc(alias = "getpeername")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketName {
    /// The socket.
    pub target: Target,
    /// Where the address goes.
    pub addr: *mut libc::sockaddr,
    /// How many bytes `addr` has room for; becomes the length of the address.
    pub addr_len: *mut libc::socklen_t,
    /// Whether the peer's address is wanted.
    pub peer: bool,
}

impl Op for SocketName {
    const OPCODE: Opcode = Opcode::URING_CMD;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(SocketOp::GETSOCKNAME.0);
        sqe.addr = address(self.addr);
        sqe.addr3 = address(self.addr_len);
        sqe.file_index = u32::from(self.peer);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        (6, 19)
    }
}

#[cfg(test)]
mod tests;
