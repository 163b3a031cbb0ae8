//! Cancel by user_data. Mirrors io_uring_prep_cancel64(3).

use std::io;

use annulus_abi::{CancelFlags, Cqe, Opcode, Sqe};

use super::{OLDEST, Op, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Asks the kernel to end the request that was submitted with `user_data`.
///
/// The cancelled request still completes by itself, with `ECANCELED` or, if it won the race, with
/// its result; what it borrowed is free only then. With [`CancelFlags::ALL`] every request with
/// that `user_data` is ended. To match by descriptor or opcode use [`CancelFd`](super::CancelFd)
/// and [`CancelMatching`](super::CancelMatching).
///
/// # Kernel
/// `ASYNC_CANCEL`, since 5.5; [`CancelFlags::ALL`] since 5.19. *Inline*.
///
/// # Errors
/// `EINVAL` for flags that the kernel does not know. That nothing matched, or that it is too late,
/// is a value: [`CancelOutcome`].
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_ASYNC_CANCEL")]
#[doc(alias = "io_uring_prep_cancel")]
#[doc(alias = "io_uring_prep_cancel64")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancel {
    /// Of the request to end.
    pub user_data: u64,
    /// [`CancelFlags::EMPTY`] or [`CancelFlags::ALL`].
    pub flags: CancelFlags,
}

/// How a cancel ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelOutcome {
    /// With [`CancelFlags::ALL`] or [`CancelFlags::ANY`]: so many requests were ended, perhaps
    /// none. Without: 0, and the one that matched was ended (1 for a wait on a futex or a child).
    Done(u32),
    /// Nothing matched: it has completed already, or never was.
    NotFound,
    /// It runs, and cannot be stopped at once; a worker that blocks was signalled. **This may be
    /// forgotten**: a worker that was about to hand its request to poll does so, and the request
    /// waits as if nobody had asked. If its completion does not come, cancel it again.
    Running,
}

impl CancelOutcome {
    /// Reads the completion of any form of `ASYNC_CANCEL`.
    pub(super) fn decode(cqe: &Cqe) -> io::Result<Self> {
        match -cqe.res {
            libc::ENOENT => Ok(Self::NotFound),
            libc::EALREADY => Ok(Self::Running),
            _ => count(cqe).map(Self::Done),
        }
    }
}

impl Op for Cancel {
    const OPCODE: Opcode = Opcode::ASYNC_CANCEL;
    type Output = CancelOutcome;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.addr = self.user_data;
        sqe.op_flags = self.flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<CancelOutcome> {
        CancelOutcome::decode(cqe)
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), self.flags.since().unwrap_or(OLDEST))
    }

    fn check(&self) -> Result<(), OpConflict> {
        let keys = !self.flags.without(CancelFlags::ALL).is_empty();
        OpConflict::if_any(
            Self::OPCODE,
            &[(keys, "other keys are CancelFd's and CancelMatching's")],
        )
    }
}

#[cfg(test)]
mod tests;
