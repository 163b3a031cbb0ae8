//! Change an armed timeout. Mirrors io_uring_prep_timeout_update(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, TimeoutFlags, Timespec};

use super::{OLDEST, Op, address, done, later};
use crate::{OpConflict, Version};

/// Gives the [`Timeout`](super::Timeout) that was submitted with `user_data` another time.
///
/// # Kernel
/// `TIMEOUT_REMOVE` with `IORING_TIMEOUT_UPDATE`, since 5.11; of a
/// [`LinkTimeout`](super::LinkTimeout) since 5.15. *Inline*.
///
/// # Errors
/// `ENOENT` (no such timeout: it has completed), `EALREADY` (it expires just now), `EINVAL`,
/// `EFAULT`.
///
/// # Memory
/// `spec`, unchanged, until it was submitted: the kernel copies it then.
#[doc(alias = "IORING_OP_TIMEOUT_REMOVE")]
#[doc(alias = "io_uring_prep_timeout_update")]
#[doc(alias = "IORING_TIMEOUT_UPDATE")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeoutUpdate {
    /// Of the timeout to change.
    pub user_data: u64,
    /// How long from now, or with [`TimeoutFlags::ABS`] until when; on the clock that it was armed
    /// with.
    pub spec: *const Timespec,
    /// [`TimeoutFlags::ABS`], and [`TimeoutFlags::LINK_UPDATE`] to change a linked timeout.
    pub flags: TimeoutFlags,
}

impl Op for TimeoutUpdate {
    const OPCODE: Opcode = Opcode::TIMEOUT_REMOVE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.off = address(self.spec);
        sqe.addr = self.user_data;
        sqe.op_flags = (self.flags | TimeoutFlags::UPDATE).bits();
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        later((5, 11), self.flags.since().unwrap_or(OLDEST))
    }

    fn check(&self) -> Result<(), OpConflict> {
        let clock = self.flags.intersects(TimeoutFlags::CLOCK_MASK);
        let multi = self.flags.contains(TimeoutFlags::MULTISHOT);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (clock, "a timeout keeps the clock that it was armed with"),
                (multi, "a timeout goes on or not as it was armed"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
