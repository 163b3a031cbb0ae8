//! Wait on a futex. Mirrors io_uring_prep_futex_wait(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};
use crate::OpConflict;

/// Completes when a futex that holds `value` is woken.
///
/// # Kernel
/// `FUTEX_WAIT`, since 6.7. Armed *inline*; the waker completes it.
///
/// A private wait has to begin when the process has, or had, a second thread. Since Linux 6.17 the
/// first one gives a process a table of its own for private futexes, in which no wake finds a wait
/// that is older (`PR_FUTEX_HASH_GET_SLOTS` of prctl(2) says whether it is there).
///
/// # Errors
/// `EAGAIN` (it does not hold `value`), `EINVAL` (flags, mask 0, alignment), `EFAULT`, `ECANCELED`.
///
/// # Memory
/// `futex`, readable, until the completion; others may write to it.
#[doc(alias = "IORING_OP_FUTEX_WAIT")]
#[doc(alias = "io_uring_prep_futex_wait")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FutexWait {
    /// The futex: aligned to its size.
    pub futex: *const u32,
    /// What it must hold for the wait to begin.
    pub value: u64,
    /// Which bits waiters and wakers must have in common; `u64::from(u32::MAX)` for all.
    pub mask: u64,
    /// `FUTEX2_*`: the size, and whether only this process uses it; `FUTEX2_SIZE_U32` (2), usually
    /// with `FUTEX2_PRIVATE` (128).
    pub flags: u32,
}

impl Op for FutexWait {
    const OPCODE: Opcode = Opcode::FUTEX_WAIT;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = self.flags as i32;
        sqe.off = self.value;
        sqe.addr = address(self.futex);
        sqe.addr3 = self.mask;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
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
