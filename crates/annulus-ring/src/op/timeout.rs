//! A timer. Mirrors io_uring_prep_timeout(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, TimeoutFlags, Timespec};

use super::{OLDEST, Op, address, done, first_kernel, later};
use crate::{OpConflict, Version};

/// Completes after a time, or after `count` other completions, whichever is first.
///
/// With [`TimeoutFlags::MULTISHOT`] it completes each time the time has passed, `count` times (0:
/// until it is removed), with [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE) on each but the last.
/// Ends early by [`TimeoutRemove`](super::TimeoutRemove) or [`Cancel`](super::Cancel).
///
/// # Kernel
/// `TIMEOUT`, since 5.4; other clocks since 5.15, [`TimeoutFlags::MULTISHOT`] since 6.4. Armed
/// *inline*; the timer's interrupt completes it.
///
/// # Errors
/// `EINVAL` (two clocks, a time that is negative, multishot with an absolute time), `EFAULT`,
/// `ECANCELED` (removed, cancelled). That the time has passed, `ETIME` in the completion, is the
/// value [`TimeoutEnd::Expired`].
///
/// # Memory
/// `spec`, unchanged, until the kernel has taken the entry: it copies it then, in a chain too.
#[doc(alias = "IORING_OP_TIMEOUT")]
#[doc(alias = "io_uring_prep_timeout")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeout {
    /// How long, or with [`TimeoutFlags::ABS`] until when.
    pub spec: *const Timespec,
    /// After how many completions at the latest, 0 for time alone; with [`TimeoutFlags::MULTISHOT`]
    /// how often.
    pub count: u32,
    /// Absolute, clock, multishot, and whether expiry breaks a chain. `CLOCK_MONOTONIC` unless said
    /// otherwise.
    pub flags: TimeoutFlags,
}

/// Why a [`Timeout`] completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeoutEnd {
    /// The time has passed.
    Expired,
    /// So many completions were there first.
    Counted,
}

/// Flags of a timeout that exclude one another, or are not a timeout's.
pub(super) fn check(flags: TimeoutFlags) -> Result<(), OpConflict> {
    let has = |wanted| flags.contains(wanted);
    OpConflict::if_any(
        Timeout::OPCODE,
        &[
            (has(TimeoutFlags::CLOCK_MASK), "one clock at most"),
            (has(TimeoutFlags::MULTISHOT | TimeoutFlags::ABS), "what goes on has no absolute time"),
            (
                flags.intersects(TimeoutFlags::UPDATE_MASK),
                "TimeoutUpdate is the form that changes a timeout",
            ),
        ],
    )
}

impl Op for Timeout {
    const OPCODE: Opcode = Opcode::TIMEOUT;
    type Output = TimeoutEnd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.off = u64::from(self.count);
        sqe.addr = address(self.spec);
        sqe.len = 1;
        sqe.op_flags = self.flags.bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<TimeoutEnd> {
        if cqe.res == -libc::ETIME {
            return Ok(TimeoutEnd::Expired);
        }
        done(cqe).map(|()| TimeoutEnd::Counted)
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
