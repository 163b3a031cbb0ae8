//! Receive one message into a provided buffer. Mirrors io_uring_prep_recvmsg(3) with
//! `IOSQE_BUFFER_SELECT`.

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe, SqeFlags};

use super::{OLDEST, Op, Received, Target, address, first_kernel, later, received};
use crate::{OpConflict, Version};

/// Receives one message: its payload into a buffer of group `bgid` that the kernel chooses, its
/// address and control data to where `msg` says.
///
/// `msg` may have one piece; its address is not looked at, its length says how many bytes at most.
///
/// # Kernel
/// `RECVMSG` with `IOSQE_BUFFER_SELECT`, since 5.7. *Inline* when something is there, else
/// *polled*.
///
/// # Errors
/// As [`RecvMsg`](super::RecvMsg); `EINVAL` for more than one piece, `ENOBUFS`: the group has no
/// buffer left.
///
/// # Memory
/// `msg` and all that it points at, writable, until the completion; all buffers of the group, as
/// their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_RECVMSG")]
#[doc(alias = "io_uring_prep_recvmsg")]
#[doc(alias = "IOSQE_BUFFER_SELECT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvMsgSelect {
    /// The socket.
    pub target: Target,
    /// The message, of at most one piece.
    pub msg: *mut libc::msghdr,
    /// The group that the buffer is taken from.
    pub bgid: u16,
    /// `MSG_*`: `MSG_CMSG_CLOEXEC`, `MSG_PEEK`, `MSG_TRUNC`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for RecvMsgSelect {
    const OPCODE: Opcode = Opcode::RECVMSG;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.ioprio = self.ioprio.bits();
        sqe.addr = address(self.msg);
        sqe.len = 1;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        let flags = self.ioprio.since().unwrap_or(OLDEST);
        later(later(first_kernel(Self::OPCODE), (5, 7)), flags)
    }

    fn check(&self) -> Result<(), OpConflict> {
        let multi = self.ioprio.contains(RecvSendFlags::RECV_MULTISHOT);
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        OpConflict::if_any(
            Self::OPCODE,
            &[(multi, "RecvMsgMulti is the form that goes on"), (bundle, "a message is no bundle")],
        )
    }
}

#[cfg(test)]
mod tests;
