//! Receive a message. Mirrors recvmsg(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, address, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Receives into what `msg` describes: pieces, room for an address, room for control data.
///
/// The output is the number of bytes received; the lengths and flags in `msg` are set as recvmsg(2)
/// sets them.
///
/// # Kernel
/// `RECVMSG`, since 5.3. *Inline* when something is there, else *polled*, whether the socket is
/// `O_NONBLOCK` or not.
///
/// # Errors
/// Those of recvmsg(2), as for [`Recv`](super::Recv).
///
/// # Memory
/// `msg` and all that it points at, writable, until the completion.
#[doc(alias = "IORING_OP_RECVMSG")]
#[doc(alias = "io_uring_prep_recvmsg")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvMsg {
    /// The socket.
    pub target: Target,
    /// The message.
    pub msg: *mut libc::msghdr,
    /// `MSG_*`: `MSG_CMSG_CLOEXEC`, `MSG_PEEK`, `MSG_TRUNC`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for RecvMsg {
    const OPCODE: Opcode = Opcode::RECVMSG;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = self.ioprio.bits();
        sqe.addr = address(self.msg);
        sqe.len = 1;
        sqe.op_flags = self.flags as u32;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        let flags = self.ioprio.since().unwrap_or(OLDEST);
        later(first_kernel(Self::OPCODE), flags)
    }

    fn check(&self) -> Result<(), OpConflict> {
        let multi = self.ioprio.contains(RecvSendFlags::RECV_MULTISHOT);
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        let fixed = self.ioprio.contains(RecvSendFlags::FIXED_BUF);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (multi, "RecvMsgMulti is the form that goes on"),
                (bundle, "a message is no bundle"),
                (fixed, "a message has no registered buffer"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
