//! Send from provided buffers. Mirrors io_uring_prep_send_bundle(3).

use std::io;

use annulus_abi::{Cqe, Features, Opcode, RecvSendFlags, Sqe, SqeFlags};

use super::{OLDEST, Op, Sent, Target, later, sent};
use crate::{OpConflict, Version};

/// Sends the next buffer of group `bgid`, or with [`RecvSendFlags::BUNDLE`] all that the group
/// holds, in the order in which they were pushed.
///
/// So what is sent is chosen when the socket has room, and many pushes go out as one request. A
/// bundle implies `MSG_WAITALL`; without it a buffer may be sent in part.
///
/// # Kernel
/// `SEND` with `IOSQE_BUFFER_SELECT`, since 6.10. *Inline* when the socket has room, else *polled*.
///
/// # Errors
/// As [`Send`](super::Send), and `ENOBUFS`: the group has no buffer.
///
/// # Memory
/// All buffers of the group, as their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_SEND")]
#[doc(alias = "io_uring_prep_send_bundle")]
#[doc(alias = "IORING_RECVSEND_BUNDLE")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendSelect {
    /// The socket.
    pub target: Target,
    /// The group whose buffers are sent.
    pub bgid: u16,
    /// How many bytes at most; 0 means all of the buffer, or of the bundle.
    pub len: u32,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`], [`RecvSendFlags::BUNDLE`].
    pub ioprio: RecvSendFlags,
}

impl Op for SendSelect {
    const OPCODE: Opcode = Opcode::SEND;
    type Output = Sent;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.ioprio = self.ioprio.bits();
        sqe.len = self.len;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Sent> {
        sent(cqe)
    }

    fn since(&self) -> Version {
        later((6, 10), self.ioprio.since().unwrap_or(OLDEST))
    }

    fn features(&self) -> Features {
        Features::RECVSEND_BUNDLE
    }

    fn check(&self) -> Result<(), OpConflict> {
        let vectorized = self.ioprio.contains(RecvSendFlags::SEND_VECTORIZED);
        let fixed = self.ioprio.contains(RecvSendFlags::FIXED_BUF);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (vectorized, "buffers come from a group or from pieces, not both"),
                (fixed, "buffers come from a group or are registered, not both"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
