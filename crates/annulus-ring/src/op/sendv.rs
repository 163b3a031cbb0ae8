//! Send from several pieces. Mirrors io_uring_prep_send(3) with `IORING_SEND_VECTORIZED`.

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{Op, Target, address, count};
use crate::Version;

/// Sends several pieces of memory, one after the other, without a `msghdr`.
///
/// The output is the number of bytes sent, as for [`Send`](super::Send).
///
/// # Kernel
/// `SEND` with `IORING_SEND_VECTORIZED`, since 6.17 (`EINVAL` before: use
/// [`SendMsg`](super::SendMsg)). *Inline* when the socket has room, else *polled*.
///
/// # Errors
/// As [`Send`](super::Send); `EMSGSIZE` for more than 1024 pieces.
///
/// # Memory
/// The pieces, unchanged, until the completion; the array of them too. (Kernels with
/// [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE) copy the array when they take
/// the entry; never the pieces.)
#[doc(alias = "IORING_OP_SEND")]
#[doc(alias = "io_uring_prep_send")]
#[doc(alias = "IORING_SEND_VECTORIZED")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sendv {
    /// The socket.
    pub target: Target,
    /// The pieces, in order.
    pub iovecs: *const libc::iovec,
    /// How many pieces there are, at most 1024.
    pub count: u32,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// Flags besides [`RecvSendFlags::SEND_VECTORIZED`], which is implied:
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for Sendv {
    const OPCODE: Opcode = Opcode::SEND;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = (self.ioprio | RecvSendFlags::SEND_VECTORIZED).bits();
        sqe.addr = address(self.iovecs);
        sqe.len = self.count;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        (6, 17)
    }
}

#[cfg(test)]
mod tests;
