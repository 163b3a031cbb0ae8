//! Wait on an epoll set. Mirrors epoll_wait(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};
use crate::OpConflict;

/// Completes when something in an epoll set is ready, and writes what to `events`.
///
/// The output is the number of events written.
///
/// # Kernel
/// `EPOLL_WAIT`, since 6.15. *Polled*.
///
/// # Errors
/// Those of epoll_wait(2): `EBADF`, `EFAULT`, `EINVAL` (no epoll set, or `count` 0). `ECANCELED`
/// after a cancel.
///
/// # Memory
/// `events` to `events + count`, writable, until the completion.
#[doc(alias = "IORING_OP_EPOLL_WAIT")]
#[doc(alias = "io_uring_prep_epoll_wait")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpollWait {
    /// The epoll set.
    pub target: Target,
    /// Where the events go.
    pub events: *mut libc::epoll_event,
    /// For how many there is room.
    pub count: u32,
}

impl Op for EpollWait {
    const OPCODE: Opcode = Opcode::EPOLL_WAIT;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.addr = address(self.events);
        sqe.len = self.count;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn check(&self) -> Result<(), OpConflict> {
        OpConflict::if_any(Self::OPCODE, &[(self.count == 0, "there is no room for an event")])
    }
}

#[cfg(test)]
mod tests;
