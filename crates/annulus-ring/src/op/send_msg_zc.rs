//! Send a message without copying. Mirrors io_uring_prep_sendmsg_zc(3).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, ZeroCopy, address, first_kernel, later};
use crate::{OpConflict, Version};

/// Sends the message that `msg` describes straight from its pieces.
///
/// There are two completions. The first says how many bytes were sent; if it carries
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE), *whatever its result*, a second one follows
/// that says that the memory is free again, perhaps long after: when the peer has acknowledged. The
/// output tells them apart: [`ZeroCopy`], as for [`SendZc`](super::SendZc).
///
/// # Kernel
/// `SENDMSG_ZC`, since 6.1; [`RecvSendFlags::FIXED_BUF`] since 6.15. *Inline* when the socket has
/// room, else *polled*.
///
/// # Errors
/// As [`SendMsg`](super::SendMsg) and [`SendZc`](super::SendZc).
///
/// # Memory
/// The pieces, unchanged, until the completion without
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); `msg` and all else that it points at until the
/// first.
#[doc(alias = "IORING_OP_SENDMSG_ZC")]
#[doc(alias = "io_uring_prep_sendmsg_zc")]
#[doc(alias = "io_uring_prep_sendmsg_zc_fixed")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendMsgZc {
    /// The socket.
    pub target: Target,
    /// The message.
    pub msg: *const libc::msghdr,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`], [`RecvSendFlags::SEND_ZC_REPORT_USAGE`],
    /// and [`RecvSendFlags::FIXED_BUF`] if the pieces are inside a registered buffer.
    pub ioprio: RecvSendFlags,
    /// Which registered buffer, with [`RecvSendFlags::FIXED_BUF`]; else 0.
    pub buf_index: u16,
}

impl Op for SendMsgZc {
    const OPCODE: Opcode = Opcode::SENDMSG_ZC;
    type Output = ZeroCopy;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = self.ioprio.bits();
        sqe.addr = address(self.msg);
        sqe.len = 1;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.buf_index;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<ZeroCopy> {
        ZeroCopy::decode(cqe)
    }

    fn since(&self) -> Version {
        let fixed = self.ioprio.contains(RecvSendFlags::FIXED_BUF);
        let flags = if fixed { (6, 15) } else { self.ioprio.since().unwrap_or(OLDEST) };
        later(first_kernel(Self::OPCODE), flags)
    }

    fn check(&self) -> Result<(), OpConflict> {
        let unsaid = self.buf_index != 0 && !self.ioprio.contains(RecvSendFlags::FIXED_BUF);
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (unsaid, "a registered buffer is said with FIXED_BUF"),
                (bundle, "a message is no bundle"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
