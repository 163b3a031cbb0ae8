//! Advise about memory. Mirrors madvise(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done, first_kernel};
use crate::Version;

/// Announces how a range of memory will be used, or what may become of it.
///
/// # Kernel
/// `MADVISE`, since 5.6; ranges of 4 GiB and more since 6.11. Always *punted*.
///
/// # Errors
/// Those of madvise(2): `EAGAIN`, `EBADF`, `EINVAL`, `EIO`, `ENOMEM`. `EINVAL` too for a long range
/// on an older kernel.
///
/// # Memory
/// Some advice changes memory: after `MADV_DONTNEED` or `MADV_FREE` the range has lost what it
/// held, so it must be the submitter's own, with nothing else in it, until the completion.
#[doc(alias = "IORING_OP_MADVISE")]
#[doc(alias = "io_uring_prep_madvise")]
#[doc(alias = "io_uring_prep_madvise64")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Madvise {
    /// Where the range begins, at a page.
    pub addr: *mut u8,
    /// How many bytes it has.
    pub len: u64,
    /// `MADV_*`.
    pub advice: i32,
}

impl Op for Madvise {
    const OPCODE: Opcode = Opcode::MADVISE;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.addr = address(self.addr);
        sqe.op_flags = self.advice as u32;
        if let Ok(len) = u32::try_from(self.len) {
            sqe.len = len;
        } else {
            sqe.off = self.len;
        }
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }

    fn since(&self) -> Version {
        if self.len > u64::from(u32::MAX) { (6, 11) } else { first_kernel(Self::OPCODE) }
    }
}

#[cfg(test)]
mod tests;
