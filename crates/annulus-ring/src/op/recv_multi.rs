//! Receive again and again into provided buffers. Mirrors io_uring_prep_recv_multishot(3).

use std::io;

use annulus_abi::{Cqe, Features, Opcode, RecvSendFlags, Sqe, SqeFlags};

use super::{OLDEST, Op, Received, Target, later, received};
use crate::Version;

/// Receives whatever arrives on a socket, each time into a buffer of group `bgid` that the kernel
/// chooses.
///
/// The request stays armed as long as completions carry
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE). Without it, *also on a successful completion*,
/// it must be submitted again: a full CQ ends it, and so does the end of the stream.
///
/// A failed completion may carry a buffer as well, so read
/// [`Cqe::buffer_id`] before its result.
///
/// # Kernel
/// `RECV` with `IORING_RECV_MULTISHOT`, since 6.0; [`RecvSendFlags::BUNDLE`] since 6.10;
/// `cap_bytes` since 6.17. *Inline* when bytes are there, and then *polled*.
///
/// # Errors
/// As [`Recv`](super::Recv), and `ENOBUFS`: the group has no buffer left. Nothing is lost then;
/// push buffers *first* and arm again after, else the data waits for a next arrival.
///
/// # Memory
/// All buffers of the group, as their [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_RECV")]
#[doc(alias = "io_uring_prep_recv_multishot")]
#[doc(alias = "IORING_RECV_MULTISHOT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvMulti {
    /// The socket.
    pub target: Target,
    /// The group that buffers are taken from.
    pub bgid: u16,
    /// Flags besides [`RecvSendFlags::RECV_MULTISHOT`], which is implied.
    pub ioprio: RecvSendFlags,
    /// After how many bytes the request ends, for fairness among sockets that share a group; 0 for
    /// never.
    pub cap_bytes: u32,
}

impl Op for RecvMulti {
    const OPCODE: Opcode = Opcode::RECV;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.ioprio = (self.ioprio | RecvSendFlags::RECV_MULTISHOT).bits();
        sqe.buf_index = self.bgid;
        sqe.file_index = self.cap_bytes;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        let cap = if self.cap_bytes == 0 { (6, 0) } else { (6, 17) };
        later(cap, self.ioprio.since().unwrap_or(OLDEST))
    }

    fn features(&self) -> Features {
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        if bundle { Features::RECVSEND_BUNDLE } else { Features::EMPTY }
    }
}

#[cfg(test)]
mod tests;
