//! Send to an address. Mirrors sendto(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, address, count, later};
use crate::{OpConflict, Version};

/// Sends at most `len` bytes from the memory at `addr` to the address `dest`.
///
/// The output is the number of bytes sent. One datagram needs no `msghdr` this way.
///
/// # Kernel
/// `SEND` with an address, since 6.1. *Inline* when the socket has room, else *polled*.
///
/// # Errors
/// As [`Send`](super::Send), and `EDESTADDRREQ`, `EISCONN`, `EAFNOSUPPORT`, `EINVAL`. Kernels
/// before 6.1 refuse it with `EINVAL`: use [`SendMsg`](super::SendMsg).
///
/// # Memory
/// `addr` to `addr + len` and `dest` to `dest + dest_len`, unchanged, until the completion.
#[doc(alias = "IORING_OP_SEND")]
#[doc(alias = "io_uring_prep_sendto")]
#[doc(alias = "io_uring_prep_send_set_addr")]
#[doc(alias = "sendto")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendTo {
    /// The socket.
    pub target: Target,
    /// Where the bytes come from.
    pub addr: *const u8,
    /// How many bytes at most.
    pub len: u32,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
    /// The address to send to.
    pub dest: *const libc::sockaddr,
    /// How many bytes it has.
    pub dest_len: u16,
}

impl Op for SendTo {
    const OPCODE: Opcode = Opcode::SEND;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = self.ioprio.bits();
        sqe.off = address(self.dest);
        sqe.addr = address(self.addr);
        sqe.len = self.len;
        sqe.op_flags = self.flags as u32;
        sqe.file_index = u32::from(self.dest_len);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<u32> {
        count(cqe)
    }

    fn since(&self) -> Version {
        later((6, 1), self.ioprio.since().unwrap_or(OLDEST))
    }

    fn check(&self) -> Result<(), OpConflict> {
        let multi = self.ioprio.contains(RecvSendFlags::RECV_MULTISHOT);
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        let fixed = self.ioprio.contains(RecvSendFlags::FIXED_BUF);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (multi, "a send does not go on"),
                (bundle, "a bundle is of provided buffers: SendSelect"),
                (fixed, "SendFixed is the form with a registered buffer"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
