//! Change an epoll set. Mirrors epoll_ctl(2).

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Adds, changes or removes a descriptor in an epoll set.
///
/// # Kernel
/// `EPOLL_CTL`, since 5.6. *Inline*, *punted* if the set is locked by someone else.
///
/// # Errors
/// Those of epoll_ctl(2): `EBADF`, `EEXIST`, `EINVAL`, `ENOENT`, `ENOMEM`, `EPERM`.
///
/// # Memory
/// `event`, unchanged, until the completion.
#[doc(alias = "IORING_OP_EPOLL_CTL")]
#[doc(alias = "io_uring_prep_epoll_ctl")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpollCtl {
    /// The epoll set. Never a slot.
    pub epoll: RawFd,
    /// `EPOLL_CTL_ADD`, `EPOLL_CTL_MOD` or `EPOLL_CTL_DEL`.
    pub command: i32,
    /// The descriptor that it is about. Never a slot.
    pub fd: RawFd,
    /// What to wait for; null to remove.
    pub event: *const libc::epoll_event,
}

impl Op for EpollCtl {
    const OPCODE: Opcode = Opcode::EPOLL_CTL;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.epoll;
        sqe.off = u64::from(self.fd as u32);
        sqe.addr = address(self.event);
        sqe.len = self.command as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
