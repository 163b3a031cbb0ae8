//! Receive once into provided buffers. Mirrors io_uring_prep_recv(3) with `IOSQE_BUFFER_SELECT`.

use std::io;

use annulus_abi::{Cqe, Features, Opcode, RecvSendFlags, Sqe, SqeFlags};

use super::{OLDEST, Op, Received, Target, first_kernel, later, received};
use crate::{OpConflict, Version};

/// Receives once into a buffer of group `bgid` that the kernel chooses when there are bytes; with
/// [`RecvSendFlags::BUNDLE`] into as many consecutive buffers as there are bytes for.
///
/// So a receive holds no buffer while it waits. To go on receiving use
/// [`RecvMulti`](super::RecvMulti).
///
/// # Kernel
/// `RECV` with `IOSQE_BUFFER_SELECT`, since 5.7; [`RecvSendFlags::BUNDLE`] since 6.10. *Inline*
/// when bytes are there, else *polled*.
///
/// # Errors
/// As [`Recv`](super::Recv), and `ENOBUFS`: the group has no buffer left. Nothing is lost then.
///
/// # Memory
/// All buffers of the group, as their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_RECV")]
#[doc(alias = "io_uring_prep_recv")]
#[doc(alias = "IORING_RECVSEND_BUNDLE")]
#[doc(alias = "IOSQE_BUFFER_SELECT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvSelect {
    /// The socket.
    pub target: Target,
    /// The group that buffers are taken from.
    pub bgid: u16,
    /// How many bytes at most; 0 means as many as the buffer has, or in a bundle as there are.
    pub len: u32,
    /// `MSG_*`: `MSG_PEEK`, `MSG_WAITALL`, `MSG_DONTWAIT`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`], [`RecvSendFlags::BUNDLE`].
    pub ioprio: RecvSendFlags,
}

impl Op for RecvSelect {
    const OPCODE: Opcode = Opcode::RECV;
    type Output = Received;

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
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        let flags = self.ioprio.since().unwrap_or(OLDEST);
        later(later(first_kernel(Self::OPCODE), (5, 7)), flags)
    }

    fn features(&self) -> Features {
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        if bundle { Features::RECVSEND_BUNDLE } else { Features::EMPTY }
    }

    fn check(&self) -> Result<(), OpConflict> {
        let multi = self.ioprio.contains(RecvSendFlags::RECV_MULTISHOT);
        OpConflict::if_any(Self::OPCODE, &[(multi, "RecvMulti is the form that goes on")])
    }
}

#[cfg(test)]
mod tests;
