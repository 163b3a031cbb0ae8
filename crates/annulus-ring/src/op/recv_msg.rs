//! Receive a message. Mirrors recvmsg(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{Op, Target, address, count};

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
}

#[cfg(test)]
mod tests;
