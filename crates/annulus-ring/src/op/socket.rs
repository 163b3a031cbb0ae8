//! Make a socket. Mirrors socket(2).

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Place, descriptor, first_kernel, later};
use crate::{OpConflict, Version};

/// Makes a socket.
///
/// The output is the new descriptor, or what [`Place`] says for a slot. Whoever decodes the
/// completion owns it and must close it, also if nobody waits for the socket any more.
///
/// # Kernel
/// `SOCKET`, since 5.19. *Inline*, and no cheaper than the system call except in a chain.
///
/// # Errors
/// Those of socket(2): `EACCES`, `EAFNOSUPPORT`, `EINVAL` (also `SOCK_CLOEXEC` with a slot),
/// `EMFILE`, `ENFILE` (also: no free slot), `ENOBUFS`, `EPROTONOSUPPORT`.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_SOCKET")]
#[doc(alias = "io_uring_prep_socket")]
#[doc(alias = "io_uring_prep_socket_direct")]
#[doc(alias = "io_uring_prep_socket_direct_alloc")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket {
    /// `AF_*`.
    pub domain: i32,
    /// `SOCK_STREAM`, `SOCK_DGRAM`, …, with `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
    pub kind: i32,
    /// `IPPROTO_*`, or 0.
    pub protocol: i32,
    /// Where the socket goes.
    pub place: Place,
}

impl Op for Socket {
    const OPCODE: Opcode = Opcode::SOCKET;
    type Output = RawFd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.domain;
        sqe.off = u64::from(self.kind as u32);
        sqe.len = self.protocol as u32;
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<RawFd> {
        descriptor(cqe)
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), self.place.since())
    }

    fn check(&self) -> Result<(), OpConflict> {
        self.place.check(Self::OPCODE, self.kind, libc::SOCK_CLOEXEC)
    }
}

#[cfg(test)]
mod tests;
