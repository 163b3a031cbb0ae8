//! A time limit for the request before. Mirrors io_uring_prep_link_timeout(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, TimeoutFlags, Timespec};

use super::{OLDEST, Op, address, done, first_kernel, later};
use crate::{OpConflict, Version};

/// Cancels the request that was pushed just before it, with
/// [`SqeFlags::IO_LINK`](annulus_abi::SqeFlags::IO_LINK), if that has not completed in time.
///
/// The time runs from when that request starts. Both complete: the request with `ECANCELED` or its
/// result, this one with its [`LinkTimeoutEnd`], in either order.
///
/// # Kernel
/// `LINK_TIMEOUT`, since 5.5; other clocks since 5.15. Armed *inline*.
///
/// # Errors
/// `EINVAL` (nothing is linked to it, two clocks), `EFAULT`.
///
/// # Memory
/// `spec`, unchanged, until it was submitted: the kernel copies it then.
#[doc(alias = "IORING_OP_LINK_TIMEOUT")]
#[doc(alias = "io_uring_prep_link_timeout")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkTimeout {
    /// How long, or with [`TimeoutFlags::ABS`] until when.
    pub spec: *const Timespec,
    /// Absolute, and which clock.
    pub flags: TimeoutFlags,
}

/// How a [`LinkTimeout`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkTimeoutEnd {
    /// The time has passed: the request was cancelled, or told to stop.
    Expired,
    /// The request completed first, or its chain broke before it began.
    NotNeeded,
}

/// Flags of a time limit that exclude one another, or are not a time limit's.
pub(super) fn check(flags: TimeoutFlags) -> Result<(), OpConflict> {
    let has = |wanted| flags.contains(wanted);
    OpConflict::if_any(
        LinkTimeout::OPCODE,
        &[
            (has(TimeoutFlags::CLOCK_MASK), "one clock at most"),
            (has(TimeoutFlags::MULTISHOT), "a limit is for one operation"),
            (
                flags.intersects(TimeoutFlags::UPDATE_MASK),
                "TimeoutUpdate is the form that changes a limit",
            ),
        ],
    )
}

impl Op for LinkTimeout {
    const OPCODE: Opcode = Opcode::LINK_TIMEOUT;
    type Output = LinkTimeoutEnd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.addr = address(self.spec);
        sqe.len = 1;
        sqe.op_flags = self.flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<LinkTimeoutEnd> {
        match -cqe.res {
            libc::ETIME | libc::EALREADY => Ok(LinkTimeoutEnd::Expired),
            libc::ECANCELED | libc::ENOENT => Ok(LinkTimeoutEnd::NotNeeded),
            _ => done(cqe).map(|()| LinkTimeoutEnd::NotNeeded),
        }
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), self.flags.since().unwrap_or(OLDEST))
    }

    fn check(&self) -> Result<(), OpConflict> {
        check(self.flags)
    }
}

#[cfg(test)]
mod tests;
