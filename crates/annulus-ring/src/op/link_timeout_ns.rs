//! A time limit without a timespec. Mirrors io_uring_prep_link_timeout(3) with
//! `IORING_TIMEOUT_IMMEDIATE_ARG`.

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, TimeoutFlags};

use super::{LinkTimeout, LinkTimeoutEnd, Op};
use crate::{OpConflict, Version};

/// [`LinkTimeout`](super::LinkTimeout) with its time in the entry, so that nothing must stay in
/// place.
///
/// # Kernel
/// `LINK_TIMEOUT` with `IORING_TIMEOUT_IMMEDIATE_ARG`, since 7.1 (`EINVAL` before).
///
/// # Errors
/// As [`LinkTimeout`](super::LinkTimeout).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_LINK_TIMEOUT")]
#[doc(alias = "io_uring_prep_link_timeout")]
#[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkTimeoutNs {
    /// How long, or with [`TimeoutFlags::ABS`] until when, in nanoseconds.
    pub timeout_ns: u64,
    /// Flags besides [`TimeoutFlags::IMMEDIATE_ARG`], which is implied: absolute, and which clock.
    pub flags: TimeoutFlags,
}

impl Op for LinkTimeoutNs {
    const OPCODE: Opcode = Opcode::LINK_TIMEOUT;
    type Output = LinkTimeoutEnd;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.addr = self.timeout_ns;
        sqe.len = 1;
        sqe.op_flags = (self.flags | TimeoutFlags::IMMEDIATE_ARG).bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<LinkTimeoutEnd> {
        LinkTimeout::decode(cqe)
    }

    fn since(&self) -> Version {
        (7, 1)
    }

    fn check(&self) -> Result<(), OpConflict> {
        super::link_timeout::check(self.flags)
    }
}

#[cfg(test)]
mod tests;
