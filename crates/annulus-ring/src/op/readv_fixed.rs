//! Read into several pieces of a registered buffer. Mirrors io_uring_prep_readv_fixed(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Reads into several pieces of memory inside one registered buffer.
///
/// The output is the number of bytes read, as for [`Readv`](super::Readv).
///
/// # Kernel
/// `READV_FIXED`, since 6.15. *Inline*, *polled* or *punted* as [`Readv`](super::Readv) is.
///
/// # Errors
/// As [`Readv`](super::Readv), and `EFAULT`: no such registered buffer, or a piece is not inside
/// it.
///
/// # Memory
/// The array of pieces, unchanged, and the pieces, writable, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy the array when they take
/// the entry; never the pieces.)
#[doc(alias = "IORING_OP_READV_FIXED")]
#[doc(alias = "io_uring_prep_readv_fixed")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadvFixed {
    /// The file.
    pub target: Target,
    /// Which registered buffer.
    pub buf_index: u16,
    /// The pieces, in order.
    pub iovecs: *const libc::iovec,
    /// How many pieces there are, at most 1024.
    pub count: u32,
    /// Where in the file; `u64::MAX` means its current position, which then moves.
    pub offset: u64,
    /// `RWF_*`: `RWF_NOWAIT`, `RWF_HIPRI`, `RWF_DSYNC`, `RWF_APPEND`, …
    pub flags: i32,
}

impl Op for ReadvFixed {
    const OPCODE: Opcode = Opcode::READV_FIXED;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.addr = address(self.iovecs);
        sqe.len = self.count;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.buf_index;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
