//! A timer without a timespec. Mirrors io_uring_prep_timeout(3) with
//! `IORING_TIMEOUT_IMMEDIATE_ARG`.

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, TimeoutFlags};

use super::{Op, Timeout, TimeoutEnd};
use crate::{OpConflict, Version};

/// [`Timeout`](super::Timeout) with its time in the entry, so that nothing must stay in place.
///
/// # Kernel
/// `TIMEOUT` with `IORING_TIMEOUT_IMMEDIATE_ARG`, since 7.1 (`EINVAL` before).
///
/// # Errors
/// As [`Timeout`](super::Timeout).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_TIMEOUT")]
#[doc(alias = "io_uring_prep_timeout")]
#[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutNs {
    /// How long, or with [`TimeoutFlags::ABS`] until when, in nanoseconds.
    pub timeout_ns: u64,
    /// After how many completions at the latest, 0 for time alone; with [`TimeoutFlags::MULTISHOT`]
    /// how often.
    pub count: u32,
    /// Flags besides [`TimeoutFlags::IMMEDIATE_ARG`], which is implied.
    pub flags: TimeoutFlags,
}

impl Op for TimeoutNs {
    const OPCODE: Opcode = Opcode::TIMEOUT;
    type Output = TimeoutEnd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.off = u64::from(self.count);
        sqe.addr = self.timeout_ns;
        sqe.len = 1;
        sqe.op_flags = (self.flags | TimeoutFlags::IMMEDIATE_ARG).bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<TimeoutEnd> {
        Timeout::decode(cqe)
    }

    fn since(&self) -> Version {
        (7, 1)
    }

    fn check(&self) -> Result<(), OpConflict> {
        super::timeout::check(self.flags)
    }
}

#[cfg(test)]
mod tests;
