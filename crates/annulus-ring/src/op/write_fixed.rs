//! Write from a registered buffer. Mirrors io_uring_prep_write_fixed(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Writes from memory inside a registered buffer, which saves pinning its pages each time.
///
/// The output is the number of bytes written, as for [`Write`](super::Write).
///
/// # Kernel
/// `WRITE_FIXED`, since 5.1. *Inline*, *polled* or *punted* as [`Write`](super::Write) is. Worth
/// most with `O_DIRECT`.
///
/// # Errors
/// As [`Write`](super::Write), and `EFAULT`: no such registered buffer, or the memory is not inside
/// it.
///
/// # Memory
/// `addr` to `addr + len`, unchanged, until the completion. A buffer that is unregistered meanwhile
/// stays pinned until then, and must stay what it is.
#[doc(alias = "IORING_OP_WRITE_FIXED")]
#[doc(alias = "io_uring_prep_write_fixed")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteFixed {
    /// The file.
    pub target: Target,
    /// Which registered buffer.
    pub buf_index: u16,
    /// Where in the buffer the bytes come from: an address, not an offset.
    pub addr: *const u8,
    /// How many bytes at most.
    pub len: u32,
    /// Where in the file; `u64::MAX` means its current position, which then moves.
    pub offset: u64,
}

impl Op for WriteFixed {
    const OPCODE: Opcode = Opcode::WRITE_FIXED;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.addr = address(self.addr);
        sqe.len = self.len;
        sqe.buf_index = self.buf_index;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
