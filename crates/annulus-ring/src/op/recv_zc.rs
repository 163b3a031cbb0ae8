//! Receive into memory that the network card fills. Mirrors io_uring_register_ifq(3) and the
//! kernel's iou-zcrx document.

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{Op, Target, count};

/// Receives whatever arrives on a TCP socket whose flow is steered to a registered queue, without
/// copying: each completion says where in the queue's area the bytes are.
///
/// The completions have 32 bytes; [`ZcrxCqe`](annulus_abi::ZcrxCqe) is their second half. The
/// output is the number of bytes. The request stays armed as long as completions carry
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE), and then bytes go back through the queue's
/// refill ring.
///
/// # Kernel
/// `RECV_ZC`, since 6.15, on a ring with 32-byte completions, `DEFER_TASKRUN` and a registered
/// queue ([`RegisterOp::ZCRX_IFQ`](annulus_abi::RegisterOp::ZCRX_IFQ)). *Polled*.
///
/// # Errors
/// `EINVAL` (no such queue, not TCP, a ring without what it needs), `ENOMEM`, `EFAULT` (the flow is
/// not steered to the queue), `ECANCELED`; as [`Recv`](super::Recv) else.
///
/// # Memory
/// The area of the queue: what a completion names stays the application's until it is put on the
/// refill ring.
#[doc(alias = "IORING_OP_RECV_ZC")]
#[doc(alias = "zcrx")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvZc {
    /// The socket.
    pub target: Target,
    /// Which registered queue (`zcrx_ifq_idx`): its `zcrx_id`.
    pub queue: u32,
    /// After how many bytes the request ends; 0 for never.
    pub cap_bytes: u32,
    /// Flags besides [`RecvSendFlags::RECV_MULTISHOT`], which is implied:
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for RecvZc {
    const OPCODE: Opcode = Opcode::RECV_ZC;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = (self.ioprio | RecvSendFlags::RECV_MULTISHOT).bits();
        sqe.len = self.cap_bytes;
        sqe.file_index = self.queue;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }
}

#[cfg(test)]
mod tests;
