//! Read into one buffer. Mirrors pread(2) and read(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Reads at most `len` bytes at `offset` into the memory at `addr`.
///
/// The output is the number of bytes read: fewer than `len` at the end of a file (0 when `offset`
/// is at or behind it), or when the file had only so much ready. In a chain a short read counts as
/// a failure.
///
/// # Kernel
/// `READ`, since 5.6. A file in the page cache is read *inline*; one that is not waits for its
/// pages where the file system supports that, and is *punted* where not. With `O_DIRECT` the device
/// completes it. Sockets, pipes and terminals are *polled*, whether `O_NONBLOCK` is set or not.
///
/// # Errors
/// Those of pread(2): `EBADF`, `EFAULT`, `EINVAL`, `EIO`, `EISDIR`, `ESPIPE` (an offset for what
/// cannot seek). `ECANCELED` after a cancel; a read from a disk that has begun is not cancelled.
///
/// # Memory
/// `addr` to `addr + len`, writable, until the completion.
#[doc(alias = "IORING_OP_READ")]
#[doc(alias = "io_uring_prep_read")]
#[doc(alias = "pread")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// What to read from.
    pub target: Target,
    /// Where the bytes go.
    pub addr: *mut u8,
    /// How many bytes at most.
    pub len: u32,
    /// Where in the file; `u64::MAX` means its current position, which then moves. Ignored by what
    /// cannot seek if 0 or `u64::MAX`.
    pub offset: u64,
}

impl Op for Read {
    const OPCODE: Opcode = Opcode::READ;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.addr = address(self.addr);
        sqe.len = self.len;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
