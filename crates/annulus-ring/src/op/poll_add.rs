//! Wait for readiness. Mirrors poll(2) and io_uring_prep_poll_add(3).

use std::io;

use annulus_abi::{Cqe, Opcode, PollFlags, Sqe};

use super::{OLDEST, Op, Target, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Completes when a file is ready for one of `events`.
///
/// The output is the events that are there (`POLLERR` and `POLLHUP` are always waited for). Without
/// [`PollFlags::ADD_MULTI`] it completes once. With it, it completes each time something happens,
/// as long as completions carry [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); without it on a
/// completion, it must be submitted again. It is edge-triggered: what is there already is reported
/// once, and then what comes.
///
/// # Kernel
/// `POLL_ADD`, since 5.1; 32 bits of events since 5.9, [`PollFlags::ADD_MULTI`] since 5.13.
/// *Polled*. [`PollFlags::ADD_LEVEL`] is in the header since 6.0, but Linux 6.18 still refuses it.
///
/// # Errors
/// `EBADF`, `EINVAL` (`ADD_LEVEL`, for one), `ECANCELED` (removed, cancelled). A file that cannot
/// be polled is always ready.
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_POLL_ADD")]
#[doc(alias = "__io_uring_prep_poll_mask")]
#[doc(alias = "io_uring_prep_poll_add")]
#[doc(alias = "io_uring_prep_poll_multishot")]
#[doc(alias = "io_uring_prep_poll_mask")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollAdd {
    /// The file.
    pub target: Target,
    /// `POLL*` or `EPOLL*`: `POLLIN`, `POLLOUT`, `POLLRDHUP`, `EPOLLEXCLUSIVE`, …
    pub events: u32,
    /// [`PollFlags::ADD_MULTI`], or none.
    pub flags: PollFlags,
}

impl Op for PollAdd {
    const OPCODE: Opcode = Opcode::POLL_ADD;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.len = self.flags.bits();
        sqe.op_flags = self.events;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), self.flags.since().unwrap_or(OLDEST))
    }

    fn check(&self) -> Result<(), OpConflict> {
        let update = self.flags.intersects(PollFlags::UPDATE_EVENTS | PollFlags::UPDATE_USER_DATA);
        let reason = (update, "PollUpdate is the form that changes a poll");
        OpConflict::if_any(Self::OPCODE, &[reason])
    }
}

#[cfg(test)]
mod tests;
