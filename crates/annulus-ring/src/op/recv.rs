//! Receive from a connected socket. Mirrors recv(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, address, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Receives at most `len` bytes into the memory at `addr`.
///
/// The output is the number of bytes received; 0 is the end of the stream (or an empty datagram).
/// Whether more was there already is in the completion's
/// [`CqeFlags::SOCK_NONEMPTY`](annulus_abi::CqeFlags::SOCK_NONEMPTY): if not, the next receive does
/// well to set [`RecvSendFlags::POLL_FIRST`].
///
/// # Kernel
/// `RECV`, since 5.6. *Inline* when bytes are there, else *polled*, whether the socket is
/// `O_NONBLOCK` or not.
///
/// # Errors
/// Those of recv(2): `ECONNRESET`, `ENOTCONN`, `ECONNREFUSED`, … `EAGAIN` only with `MSG_DONTWAIT`.
/// `ECANCELED` after a cancel.
///
/// # Memory
/// `addr` to `addr + len`, writable, until the completion.
#[doc(alias = "IORING_OP_RECV")]
#[doc(alias = "io_uring_prep_recv")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recv {
    /// The socket.
    pub target: Target,
    /// Where the bytes go.
    pub addr: *mut u8,
    /// How many bytes at most.
    pub len: u32,
    /// `MSG_*`: `MSG_PEEK`, `MSG_WAITALL`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`].
    pub ioprio: RecvSendFlags,
}

impl Op for Recv {
    const OPCODE: Opcode = Opcode::RECV;
    type Output = u32;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = self.ioprio.bits();
        sqe.addr = address(self.addr);
        sqe.len = self.len;
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
                (multi, "RecvMulti is the form that goes on"),
                (bundle, "a bundle is of provided buffers: RecvSelect"),
                (fixed, "RecvFixed is the form with a registered buffer"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
