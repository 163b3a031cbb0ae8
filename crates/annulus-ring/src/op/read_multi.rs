//! Read again and again into provided buffers. Mirrors io_uring_prep_read_multishot(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, SqeFlags};

use super::{Op, Received, Target, received};

/// Reads whatever arrives on a pipe, terminal or other pollable file, each time into a buffer of
/// group `bgid` that the kernel chooses.
///
/// The request stays armed as long as completions carry
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); without it, *also on a successful completion*,
/// it must be submitted again.
///
/// # Kernel
/// `READ_MULTISHOT`, since 6.7. *Inline* when bytes are there, and then *polled*.
///
/// # Errors
/// Those of read(2), and `EBADFD`: the file cannot be polled (a regular file). `ENOBUFS`: the group
/// has no buffer left; push buffers *first* and arm again after.
///
/// # Memory
/// All buffers of the group, as their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_READ_MULTISHOT")]
#[doc(alias = "io_uring_prep_read_multishot")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadMulti {
    /// The file.
    pub target: Target,
    /// The group that buffers are taken from.
    pub bgid: u16,
}

impl Op for ReadMulti {
    const OPCODE: Opcode = Opcode::READ_MULTISHOT;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.off = u64::MAX;
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }
}

#[cfg(test)]
mod tests;
