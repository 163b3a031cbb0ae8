//! Give buffers to a group, the old way. Mirrors io_uring_prep_provide_buffers(3).

use std::io;

use annulus_abi::{Cqe, Opcode, Sqe};

use super::{Op, address, done};

/// Gives `count` buffers of `len` bytes each, one behind the other in memory, to the group `bgid`.
///
/// A buffer ring ([`BufRing`](crate::BufRing)) does this without a request; this is for kernels
/// before 5.19.
///
/// # Kernel
/// `PROVIDE_BUFFERS`, since 5.7. *Inline*.
///
/// # Errors
/// `E2BIG`, `EEXIST` (the group is a buffer ring), `EFAULT`, `EINVAL`, `ENOMEM`, `EOVERFLOW`.
///
/// # Memory
/// All `count * len` bytes at `addr`, writable and the kernel's, until each buffer came back in a
/// completion or [`RemoveBuffers`](super::RemoveBuffers) completed.
#[doc(alias = "IORING_OP_PROVIDE_BUFFERS")]
#[doc(alias = "io_uring_prep_provide_buffers")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProvideBuffers {
    /// Where the first buffer begins.
    pub addr: *mut u8,
    /// How many bytes each has.
    pub len: u32,
    /// How many there are.
    pub count: u16,
    /// The group.
    pub bgid: u16,
    /// The id of the first; the others follow it.
    pub first_bid: u16,
}

impl Op for ProvideBuffers {
    const OPCODE: Opcode = Opcode::PROVIDE_BUFFERS;
    type Output = ();

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        sqe.fd = i32::from(self.count);
        sqe.off = u64::from(self.first_bid);
        sqe.addr = address(self.addr);
        sqe.len = self.len;
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<()> {
        done(cqe)
    }
}

#[cfg(test)]
mod tests;
