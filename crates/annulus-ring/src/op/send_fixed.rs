//! Send from a registered buffer. Mirrors send(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{Op, Target, address, count};
use crate::Version;

/// Sends at most `len` bytes from memory inside a registered buffer, which saves pinning its pages
/// each time. The bytes are copied all the same: to save that there is [`SendZc`](super::SendZc).
///
/// The output is as for [`Send`](super::Send).
///
/// # Kernel
/// `SEND` with `IORING_RECVSEND_FIXED_BUF`, since 7.2 (`EINVAL` before). *Inline*, else *polled*.
///
/// # Errors
/// As [`Send`](super::Send), and `EFAULT`: no such registered buffer, or the memory is not inside
/// it.
///
/// # Memory
/// `addr` to `addr + len`, unchanged, until the completion. A buffer that is unregistered meanwhile
/// stays pinned until then, and must stay what it is.
#[doc(alias = "IORING_OP_SEND")]
#[doc(alias = "IORING_RECVSEND_FIXED_BUF")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendFixed {
    /// The socket.
    pub target: Target,
    /// Which registered buffer.
    pub buf_index: u16,
    /// Where in the buffer the bytes come from: an address, not an offset.
    pub addr: *const u8,
    /// How many bytes at most.
    pub len: u32,
    /// `MSG_*`: `MSG_WAITALL`, …
    pub flags: i32,
    /// Flags besides [`RecvSendFlags::FIXED_BUF`], which is implied: [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for SendFixed {
    const OPCODE: Opcode = Opcode::SEND;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = (self.ioprio | RecvSendFlags::FIXED_BUF).bits();
        sqe.addr = address(self.addr);
        sqe.len = self.len;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.buf_index;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        (7, 2)
    }
}

#[cfg(test)]
mod tests;
