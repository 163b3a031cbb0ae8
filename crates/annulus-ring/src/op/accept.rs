//! Accept one connection. Mirrors accept4(2).

use std::{io, os::fd::RawFd};

use annulus_abi::{AcceptFlags, Cqe, Opcode, Sqe};

use super::{OLDEST, Op, Place, Target, address, descriptor, first_kernel, later};
use crate::{OpConflict, Version};

/// Accepts one connection of a listening socket.
///
/// The output is the descriptor of the connection, or what [`Place`] says for a slot. Whoever
/// decodes the completion owns it and must close it, also if nobody waits for a connection any
/// more.
///
/// # Kernel
/// `ACCEPT`, since 5.5; into a chosen slot since 5.15, into a free one since 5.19; the flags in
/// `ioprio` since 6.10. *Inline* when a connection waits, else *polled*, whether the socket is
/// `O_NONBLOCK` or not.
///
/// # Errors
/// Those of accept4(2): `EBADF`, `ECONNABORTED`, `EINVAL` (does not listen; `SOCK_CLOEXEC` with a
/// slot), `EMFILE`, `ENFILE` (also: no free slot), `ENOBUFS`, `ENOMEM`, `ENOTSOCK`. `EAGAIN` only
/// with [`AcceptFlags::DONTWAIT`].
///
/// # Memory
/// `addr` (as many bytes as `*addr_len` says) and `addr_len`, writable, until the completion.
#[doc(alias = "IORING_OP_ACCEPT")]
#[doc(alias = "io_uring_prep_accept")]
#[doc(alias = "io_uring_prep_accept_direct")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accept {
    /// The listening socket.
    pub target: Target,
    /// Where the peer's address goes, or null.
    pub addr: *mut libc::sockaddr,
    /// How many bytes `addr` has room for; becomes the length of the address. Null if `addr` is.
    pub addr_len: *mut libc::socklen_t,
    /// `SOCK_CLOEXEC`, `SOCK_NONBLOCK`.
    pub flags: i32,
    /// [`AcceptFlags::DONTWAIT`], [`AcceptFlags::POLL_FIRST`].
    pub ioprio: AcceptFlags,
    /// Where the connection goes.
    pub place: Place,
}

impl Op for Accept {
    const OPCODE: Opcode = Opcode::ACCEPT;
    type Output = RawFd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = self.ioprio.bits();
        sqe.off = address(self.addr_len);
        sqe.addr = address(self.addr);
        sqe.op_flags = self.flags as u32;
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<RawFd> {
        descriptor(cqe)
    }

    fn since(&self) -> Version {
        let flags = self.ioprio.since().unwrap_or(OLDEST);
        later(later(first_kernel(Self::OPCODE), flags), self.place.since())
    }

    fn check(&self) -> Result<(), OpConflict> {
        let multi = self.ioprio.contains(AcceptFlags::MULTISHOT);
        OpConflict::if_any(Self::OPCODE, &[(multi, "AcceptMulti is the form that goes on")])?;
        self.place.check(Self::OPCODE, self.flags, libc::SOCK_CLOEXEC)
    }
}

#[cfg(test)]
mod tests;
