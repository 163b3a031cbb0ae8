//! Change an armed timeout without a timespec. Mirrors io_uring_prep_timeout_update(3) with
//! `IORING_TIMEOUT_IMMEDIATE_ARG`.

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, TimeoutFlags};

use super::{Op, done};
use crate::Version;

/// [`TimeoutUpdate`](super::TimeoutUpdate) with its time in the entry, so that nothing must stay in
/// place.
///
/// # Kernel
/// `TIMEOUT_REMOVE` with `IORING_TIMEOUT_IMMEDIATE_ARG`, since 7.1 (`EINVAL` before). *Inline*.
///
/// # Errors
/// As [`TimeoutUpdate`](super::TimeoutUpdate).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_TIMEOUT_REMOVE")]
#[doc(alias = "io_uring_prep_timeout_update")]
#[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutUpdateNs {
    /// Of the timeout to change.
    pub user_data: u64,
    /// How long from now, or with [`TimeoutFlags::ABS`] until when, in nanoseconds.
    pub timeout_ns: u64,
    /// [`TimeoutFlags::ABS`], and [`TimeoutFlags::LINK_UPDATE`] to change a linked timeout.
    pub flags: TimeoutFlags,
}

impl Op for TimeoutUpdateNs {
    const OPCODE: Opcode = Opcode::TIMEOUT_REMOVE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.off = self.timeout_ns;
        sqe.addr = self.user_data;
        let implied = TimeoutFlags::UPDATE | TimeoutFlags::IMMEDIATE_ARG;
        sqe.op_flags = (self.flags | implied).bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        (7, 1)
    }
}

#[cfg(test)]
mod tests;
