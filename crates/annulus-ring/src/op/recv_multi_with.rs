//! Receive again and again, with every option. Mirrors io_uring_prep_recv_multishot(3).

use std::io;

use annulus_abi::{Cqe, Features, Opcode, RecvSendFlags, Sqe, SqeFlags};

use super::{OLDEST, Op, Received, Target, later, received};
use crate::{OpConflict, Version};

/// [`RecvMulti`](super::RecvMulti) with the options that few need: flags of recv(2), and a cap on
/// each single receive.
///
/// # Kernel
/// `RECV` with `IORING_RECV_MULTISHOT`, since 6.0; [`RecvSendFlags::BUNDLE`] since 6.10; `len_each`
/// and `cap_bytes` since 6.17 (`EINVAL` before). *Inline* when bytes are there, and then *polled*.
///
/// # Errors
/// As [`RecvMulti`](super::RecvMulti); `EINVAL` with `MSG_WAITALL`. With `MSG_DONTWAIT` it ends
/// with `EAGAIN` as soon as nothing is there.
///
/// # Memory
/// All buffers of the group, as their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_RECV")]
#[doc(alias = "io_uring_prep_recv_multishot")]
#[doc(alias = "IORING_RECV_MULTISHOT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvMultiWith {
    /// The socket.
    pub target: Target,
    /// The group that buffers are taken from.
    pub bgid: u16,
    /// `MSG_*`: `MSG_TRUNC`, `MSG_DONTWAIT`, `MSG_ERRQUEUE`, …; not `MSG_WAITALL`.
    pub flags: i32,
    /// Flags besides [`RecvSendFlags::RECV_MULTISHOT`], which is implied.
    pub ioprio: RecvSendFlags,
    /// How many bytes one receive, and so one completion, brings at most; 0 for as many as there is
    /// room for.
    pub len_each: u32,
    /// After how many bytes the request ends; 0 for never.
    pub cap_bytes: u32,
}

impl Op for RecvMultiWith {
    const OPCODE: Opcode = Opcode::RECV;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.ioprio = (self.ioprio | RecvSendFlags::RECV_MULTISHOT).bits();
        sqe.len = self.len_each;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.bgid;
        sqe.file_index = self.cap_bytes;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        let limits = if self.len_each | self.cap_bytes != 0 { (6, 17) } else { (6, 0) };
        later(limits, self.ioprio.since().unwrap_or(OLDEST))
    }

    fn features(&self) -> Features {
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        if bundle { Features::RECVSEND_BUNDLE } else { Features::EMPTY }
    }

    fn check(&self) -> Result<(), OpConflict> {
        let wait_all = self.flags & libc::MSG_WAITALL != 0;
        OpConflict::if_any(Self::OPCODE, &[(wait_all, "what goes on does not wait for all")])
    }
}

#[cfg(test)]
mod tests;
