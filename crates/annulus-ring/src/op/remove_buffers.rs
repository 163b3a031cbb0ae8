//! Take buffers back from a group. Mirrors io_uring_prep_remove_buffers(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, count};

/// Takes at most `count` unused buffers out of the group `bgid` again, in an order of the kernel's
/// choice.
///
/// The output is how many were taken.
///
/// # Kernel
/// `REMOVE_BUFFERS`, since 5.7. *Inline*.
///
/// # Errors
/// `ENOENT` (no such group), `EINVAL` (the group is a buffer ring).
///
/// # Memory
/// None.
#[doc(alias = "IORING_OP_REMOVE_BUFFERS")]
#[doc(alias = "io_uring_prep_remove_buffers")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RemoveBuffers {
    /// How many at most.
    pub count: u16,
    /// The group.
    pub bgid: u16,
}

impl Op for RemoveBuffers {
    const OPCODE: Opcode = Opcode::REMOVE_BUFFERS;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = i32::from(self.count);
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
