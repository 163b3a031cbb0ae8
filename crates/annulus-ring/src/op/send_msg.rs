//! Send a message. Mirrors sendmsg(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, address, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Sends the message that `msg` describes: pieces, an address, control data.
///
/// The output is the number of bytes sent, as for [`Send`](super::Send).
///
/// # Kernel
/// `SENDMSG`, since 5.3. *Inline* when the socket has room, else *polled*, whether it is
/// `O_NONBLOCK` or not.
///
/// # Errors
/// Those of sendmsg(2), as for [`Send`](super::Send); `EMSGSIZE` for more than 1024 pieces;
/// `EINVAL` for bad control data.
///
/// # Memory
/// `msg` and all that it points at — name, array of pieces, pieces, control data — unchanged, until
/// the completion. (Kernels with [`Features::SUBMIT_STABLE`](annulus_abi::Features::SUBMIT_STABLE)
/// copy `msg`, the name and the array of pieces when they take the entry; the pieces and the
/// control data they never copy early.)
#[doc(alias = "IORING_OP_SENDMSG")]
#[doc(alias = "io_uring_prep_sendmsg")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendMsg {
    /// The socket.
    pub target: Target,
    /// The message.
    pub msg: *const libc::msghdr,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for SendMsg {
    const OPCODE: Opcode = Opcode::SENDMSG;
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
        let vectorized = self.ioprio.contains(RecvSendFlags::SEND_VECTORIZED);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (multi, "a send does not go on"),
                (bundle, "a message is no bundle"),
                (vectorized, "a message has its pieces already"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
