//! Connect a socket. Mirrors connect(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, done};

/// Connects a socket to an address, and waits until it is connected.
///
/// # Kernel
/// `CONNECT`, since 5.5. *Inline* where the protocol needs no answer, else *polled*, whether the
/// socket is `O_NONBLOCK` or not.
///
/// # Errors
/// Those of connect(2): `ECONNREFUSED`, `EADDRNOTAVAIL`, `EHOSTUNREACH`, `ENETUNREACH`,
/// `ETIMEDOUT`, `EISCONN`, … `ECANCELED` after a cancel, and then the connection may still come to
/// be: close the socket.
///
/// # Memory
/// `addr` to `addr + addr_len`, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy it when they take the
/// entry.)
#[doc(alias = "IORING_OP_CONNECT")]
#[doc(alias = "io_uring_prep_connect")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect {
    /// The socket.
    pub target: Target,
    /// The address of the peer.
    pub addr: *const libc::sockaddr,
    /// How many bytes it has.
    pub addr_len: libc::socklen_t,
}

impl Op for Connect {
    const OPCODE: Opcode = Opcode::CONNECT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = u64::from(self.addr_len);
        sqe.addr = address(self.addr);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
