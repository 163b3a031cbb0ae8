//! Send several pieces without copying. Mirrors io_uring_prep_send_zc(3) with
//! `IORING_SEND_VECTORIZED`.

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{Op, Target, ZeroCopy, address};
use crate::Version;

/// Sends several pieces of memory, one after the other, straight from where they are, without a
/// `msghdr`. There are two completions, as for [`SendZc`](super::SendZc).
///
/// # Kernel
/// `SEND_ZC` with `IORING_SEND_VECTORIZED`, since 6.17; of pieces inside a registered buffer since
/// 7.1 (`EINVAL` before: use [`SendMsgZc`](super::SendMsgZc)). *Inline* when the socket has room,
/// else *polled*.
///
/// # Errors
/// As [`SendZc`](super::SendZc); `EMSGSIZE` for more than 1024 pieces.
///
/// # Memory
/// The pieces, unchanged, until the completion without
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); the array of them until the first.
#[doc(alias = "IORING_OP_SEND_ZC")]
#[doc(alias = "io_uring_prep_send_zc")]
#[doc(alias = "IORING_SEND_VECTORIZED")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendvZc {
    /// The socket.
    pub target: Target,
    /// The pieces, in order.
    pub iovecs: *const libc::iovec,
    /// How many pieces there are, at most 1024.
    pub count: u32,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// Flags besides [`RecvSendFlags::SEND_VECTORIZED`], which is implied:
    /// [`RecvSendFlags::POLL_FIRST`], [`RecvSendFlags::SEND_ZC_REPORT_USAGE`].
    pub ioprio: RecvSendFlags,
    /// Which registered buffer the pieces are inside of, if they are.
    pub buf_index: Option<u16>,
}

impl Op for SendvZc {
    const OPCODE: Opcode = Opcode::SEND_ZC;
    type Output = ZeroCopy;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        let mut flags = self.ioprio | RecvSendFlags::SEND_VECTORIZED;
        if let Some(buf_index) = self.buf_index {
            flags |= RecvSendFlags::FIXED_BUF;
            sqe.buf_index = buf_index;
        }
        sqe.ioprio = flags.bits();
        sqe.addr = address(self.iovecs);
        sqe.len = self.count;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<ZeroCopy> {
        ZeroCopy::decode(cqe)
    }

    fn since(&self) -> Version {
        if self.buf_index.is_some() { (7, 1) } else { (6, 17) }
    }
}

#[cfg(test)]
mod tests;
