//! Accept connections, one after the other. Mirrors io_uring_prep_multishot_accept(3).

use std::{io, os::fd::RawFd};

use annulus_abi::{AcceptFlags, Cqe, Opcode, Sqe};

use super::{OLDEST, Op, Place, Target, descriptor, later};
use crate::{OpConflict, Version};

/// Accepts every connection of a listening socket, with one completion each.
///
/// Each completion yields a descriptor, or the slot that the kernel chose; whoever decodes it owns
/// it and must close it, also if nobody waits for a connection any more. The request stays armed as
/// long as completions carry [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); without it, error or
/// not, it must be submitted again. A full CQ ends it too.
///
/// There is one place for an address and many connections, so the peer's address is not asked for
/// here: use getpeername(2).
///
/// # Kernel
/// `ACCEPT` with `IORING_ACCEPT_MULTISHOT`, since 5.19; [`AcceptFlags::DONTWAIT`] and
/// [`AcceptFlags::POLL_FIRST`] since 6.10. *Polled*.
///
/// # Errors
/// As [`Accept`](super::Accept). `EMFILE` and `ENFILE` end the request while the connection still
/// waits: arm it again only once a descriptor is free. `ECANCELED` after a cancel.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_ACCEPT")]
#[doc(alias = "io_uring_prep_multishot_accept")]
#[doc(alias = "io_uring_prep_multishot_accept_direct")]
#[doc(alias = "IORING_ACCEPT_MULTISHOT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcceptMulti {
    /// The listening socket.
    pub target: Target,
    /// `SOCK_CLOEXEC`, `SOCK_NONBLOCK`.
    pub flags: i32,
    /// Flags besides [`AcceptFlags::MULTISHOT`], which is implied.
    pub ioprio: AcceptFlags,
    /// Where connections go: [`Place::Fd`] or [`Place::FixedAny`]; one slot for all is refused
    /// with `EINVAL`.
    pub place: Place,
}

impl Op for AcceptMulti {
    const OPCODE: Opcode = Opcode::ACCEPT;
    type Output = RawFd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = (self.ioprio | AcceptFlags::MULTISHOT).bits();
        sqe.op_flags = self.flags as u32;
        self.place.encode(sqe);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<RawFd> {
        descriptor(cqe)
    }

    fn since(&self) -> Version {
        let flags = self.ioprio.since().unwrap_or(OLDEST);
        later(later((5, 19), flags), self.place.since())
    }

    fn check(&self) -> Result<(), OpConflict> {
        let one_slot = matches!(self.place, Place::Fixed(_));
        OpConflict::if_any(Self::OPCODE, &[(one_slot, "one slot cannot take every connection")])?;
        self.place.check(Self::OPCODE, self.flags, libc::SOCK_CLOEXEC)
    }
}

#[cfg(test)]
mod tests;
