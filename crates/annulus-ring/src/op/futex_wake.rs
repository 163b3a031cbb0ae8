//! Wake a futex. Mirrors io_uring_prep_futex_wake(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, count};
use crate::OpConflict;

/// Wakes at most `count` waiters of a futex, threads or requests.
///
/// The output is how many were woken.
///
/// # Kernel
/// `FUTEX_WAKE`, since 6.7. *Inline*.
///
/// # Errors
/// `EINVAL` (flags, mask 0, alignment), `EFAULT`.
///
/// # Memory
/// `futex`, until the completion; it is an address to the kernel and is not read.
#[doc(alias = "IORING_OP_FUTEX_WAKE")]
#[doc(alias = "io_uring_prep_futex_wake")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FutexWake {
    /// The futex: aligned to its size.
    pub futex: *const u32,
    /// How many waiters at most.
    pub count: u32,
    /// Which bits waiters and wakers must have in common; `u64::from(u32::MAX)` for all.
    pub mask: u64,
    /// `FUTEX2_*`: the size, and whether only this process uses it; `FUTEX2_SIZE_U32` (2), usually
    /// with `FUTEX2_PRIVATE` (128).
    pub flags: u32,
}

impl Op for FutexWake {
    const OPCODE: Opcode = Opcode::FUTEX_WAKE;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.flags as i32;
        sqe.off = u64::from(self.count);
        sqe.addr = address(self.futex);
        sqe.addr3 = self.mask;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn check(&self) -> Result<(), OpConflict> {
        OpConflict::if_any(
            Self::OPCODE,
            &[(self.mask == 0, "a mask of 0 has nothing in common with any")],
        )
    }
}

#[cfg(test)]
mod tests;
