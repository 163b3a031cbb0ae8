//! Give a socket an address. Mirrors bind(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, done};

/// Gives a socket its own address.
///
/// # Kernel
/// `BIND`, since 6.11. *Inline*.
///
/// # Errors
/// Those of bind(2): `EACCES`, `EADDRINUSE`, `EADDRNOTAVAIL`, `EAFNOSUPPORT`, `EINVAL` (bound
/// already).
///
/// # Memory
/// `addr` to `addr + addr_len`, unchanged, until the completion.
#[doc(alias = "IORING_OP_BIND")]
#[doc(alias = "io_uring_prep_bind")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bind {
    /// The socket.
    pub target: Target,
    /// The address.
    pub addr: *const libc::sockaddr,
    /// How many bytes it has.
    pub addr_len: libc::socklen_t,
}

impl Op for Bind {
    const OPCODE: Opcode = Opcode::BIND;
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
