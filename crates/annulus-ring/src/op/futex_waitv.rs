//! Wait on several futexes. Mirrors futex_waitv(2).

use std::{ffi::c_void, io};

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, count};
use crate::OpConflict;

/// Completes when one of several futexes is woken.
///
/// The output is the index of one that was.
///
/// # Kernel
/// `FUTEX_WAITV`, since 6.7. Armed *inline*; the waker completes it.
///
/// A private wait has to begin when the process has, or had, a second thread. Since Linux 6.17 the
/// first one gives a process a table of its own for private futexes, in which no wake finds a wait
/// that is older (`PR_FUTEX_HASH_GET_SLOTS` of prctl(2) says whether it is there).
///
/// # Errors
/// `EAGAIN` (one does not hold its value), `EINVAL`, `EFAULT`, `ECANCELED`.
///
/// # Memory
/// The futexes, readable, until the completion. The array, unchanged, until then too.
#[doc(alias = "IORING_OP_FUTEX_WAITV")]
#[doc(alias = "io_uring_prep_futex_waitv")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FutexWaitv {
    /// An array of `struct futex_waitv` (24 bytes each: value, address, flags, a reserved 0).
    pub waiters: *const c_void,
    /// How many there are, at most 128.
    pub count: u32,
}

impl Op for FutexWaitv {
    const OPCODE: Opcode = Opcode::FUTEX_WAITV;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.addr = address(self.waiters);
        sqe.len = self.count;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn check(&self) -> Result<(), OpConflict> {
        OpConflict::if_any(Self::OPCODE, &[(self.count == 0, "there is no futex to wait on")])
    }
}

#[cfg(test)]
mod tests;
