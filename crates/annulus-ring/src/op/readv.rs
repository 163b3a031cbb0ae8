//! Read into several buffers. Mirrors preadv2(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Reads into several pieces of memory, one after the other, at `offset`.
///
/// The output is the number of bytes read, as for [`Read`](super::Read); this is also how to
/// give it `RWF_*` flags.
///
/// # Kernel
/// `READV`, since 5.1. *Inline*, *polled* or *punted* as [`Read`](super::Read) is.
///
/// # Errors
/// Those of preadv2(2); `EINVAL` for too many pieces or unknown flags, `EOPNOTSUPP` for flags that
/// the file system does not know, `EAGAIN` with `RWF_NOWAIT`.
///
/// # Memory
/// The array of pieces, unchanged, and the pieces, writable, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy the array when they take
/// the entry; never the pieces.)
#[doc(alias = "IORING_OP_READV")]
#[doc(alias = "io_uring_prep_readv")]
#[doc(alias = "io_uring_prep_readv2")]
#[doc(alias = "preadv2")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readv {
    /// The file.
    pub target: Target,
    /// The pieces, in order.
    pub iovecs: *const libc::iovec,
    /// How many pieces there are, at most 1024.
    pub count: u32,
    /// Where in the file; `u64::MAX` means its current position, which then moves.
    pub offset: u64,
    /// `RWF_*`: `RWF_NOWAIT`, `RWF_HIPRI`, `RWF_DSYNC`, `RWF_APPEND`, …
    pub flags: i32,
}

impl Op for Readv {
    const OPCODE: Opcode = Opcode::READV;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.off = self.offset;
        sqe.addr = address(self.iovecs);
        sqe.len = self.count;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
