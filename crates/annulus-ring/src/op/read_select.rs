//! Read into a provided buffer. Mirrors io_uring_prep_read(3) with `IOSQE_BUFFER_SELECT`.

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe, SqeFlags};

use super::{Op, Received, Target, first_kernel, later, received};
use crate::Version;

/// Reads once into a buffer of group `bgid` that the kernel chooses when there are bytes.
///
/// So a read that waits on a pipe, terminal or socket holds no buffer while it waits.
///
/// # Kernel
/// `READ` with `IOSQE_BUFFER_SELECT`, since 5.7. *Inline*, *polled* or *punted* as
/// [`Read`](super::Read) is.
///
/// # Errors
/// As [`Read`](super::Read), and `ENOBUFS`: the group has no buffer left.
///
/// # Memory
/// All buffers of the group, as their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_READ")]
#[doc(alias = "io_uring_prep_read")]
#[doc(alias = "IOSQE_BUFFER_SELECT")]
#[doc(alias = "io_uring_sqe_set_buf_group")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadSelect {
    /// What to read from.
    pub target: Target,
    /// The group that the buffer is taken from.
    pub bgid: u16,
    /// How many bytes at most; 0 means as many as the buffer has.
    pub len: u32,
    /// Where in the file; `u64::MAX` means its current position, which then moves.
    pub offset: u64,
}

impl Op for ReadSelect {
    const OPCODE: Opcode = Opcode::READ;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.off = self.offset;
        sqe.len = self.len;
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        later(first_kernel(Self::OPCODE), (5, 7))
    }
}

#[cfg(test)]
mod tests;
