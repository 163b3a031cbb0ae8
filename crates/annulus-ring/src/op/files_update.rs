//! Fill or empty slots of the fixed-file table. Mirrors io_uring_prep_files_update(3).

use std::{io, os::fd::RawFd};

use annulus_abi::{Cqe, FILE_INDEX_ALLOC, Opcode, Sqe};

use super::{Op, address, count, first_kernel};
use crate::Version;

/// Puts descriptors into consecutive slots of the fixed-file table, −1 to empty one.
///
/// With `first` = [`FILE_INDEX_ALLOC`](annulus_abi::FILE_INDEX_ALLOC) the kernel chooses a free
/// slot for each and writes its number over the descriptor. The output is how many were done; a
/// short count means that the next one failed.
///
/// # Kernel
/// `FILES_UPDATE`, since 5.6; chosen slots since 5.19. *Inline*.
///
/// # Errors
/// `EBADF`, `EFAULT`, `EINVAL` (slots behind the table), `ENFILE` (no free slot), `ENXIO` (no
/// table).
///
/// # Memory
/// `fds` to `fds + count`, until the completion: unchanged, or with `FILE_INDEX_ALLOC` writable.
/// The descriptors may be closed after it: a slot holds the file itself.
#[doc(alias = "IORING_OP_FILES_UPDATE")]
#[doc(alias = "io_uring_prep_files_update")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilesUpdate {
    /// The descriptors.
    pub fds: *mut RawFd,
    /// How many there are.
    pub count: u32,
    /// The first slot, or [`FILE_INDEX_ALLOC`](annulus_abi::FILE_INDEX_ALLOC).
    pub first: u32,
}

impl Op for FilesUpdate {
    const OPCODE: Opcode = Opcode::FILES_UPDATE;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = -1;
        sqe.off = u64::from(self.first);
        sqe.addr = address(self.fds);
        sqe.len = self.count;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        if self.first == FILE_INDEX_ALLOC { (5, 19) } else { first_kernel(Self::OPCODE) }
    }
}

#[cfg(test)]
mod tests;
