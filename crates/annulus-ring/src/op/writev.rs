//! Write from several buffers. Mirrors pwritev2(2).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, Target, address, count};

/// Writes from several pieces of memory, one after the other, at `offset`.
///
/// The output is the number of bytes written, as for [`Write`](super::Write); this is also how to
/// give it `RWF_*` flags.
///
/// # Kernel
/// `WRITEV`, since 5.1. *Inline*, *polled* or *punted* as [`Write`](super::Write) is.
///
/// # Errors
/// Those of pwritev2(2); `EINVAL` for too many pieces or unknown flags, `EOPNOTSUPP` for flags that
/// the file system does not know, `EAGAIN` with `RWF_NOWAIT`.
///
/// # Memory
/// The array of pieces, unchanged, and the pieces, unchanged, until the completion. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy the array when they take
/// the entry; never the pieces.)
#[doc(alias = "IORING_OP_WRITEV")]
#[doc(alias = "io_uring_prep_writev")]
#[doc(alias = "io_uring_prep_writev2")]
#[doc(alias = "pwritev2")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Writev {
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

impl Op for Writev {
    const OPCODE: Opcode = Opcode::WRITEV;
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
