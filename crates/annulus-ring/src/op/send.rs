//! Send on a connected socket. Mirrors send(2).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, address, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Sends at most `len` bytes from the memory at `addr`.
///
/// The output is the number of bytes sent. Without `MSG_WAITALL` it may be fewer than `len`; with
/// it the kernel goes on until all are sent or the connection fails. Two sends in flight on one
/// stream may mix or reorder their bytes: keep one at a time.
///
/// # Kernel
/// `SEND`, since 5.6; `MSG_WAITALL` since 5.19. *Inline* when the socket has room, else *polled*,
/// whether it is `O_NONBLOCK` or not.
///
/// # Errors
/// Those of send(2): `EPIPE` (set `MSG_NOSIGNAL`), `ECONNRESET`, `EMSGSIZE`, `ENOTCONN`, `ENOBUFS`,
/// … `EAGAIN` only with `MSG_DONTWAIT`. `ECANCELED` after a cancel if nothing was sent; if
/// something was, its length.
///
/// # Memory
/// `addr` to `addr + len`, unchanged, until the completion.
#[doc(alias = "IORING_OP_SEND")]
#[doc(alias = "io_uring_prep_send")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send {
    /// The socket.
    pub target: Target,
    /// Where the bytes come from; an array of `iovec` with [`RecvSendFlags::SEND_VECTORIZED`].
    pub addr: *const u8,
    /// How many bytes at most; with [`RecvSendFlags::SEND_VECTORIZED`] how many pieces.
    pub len: u32,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`], [`RecvSendFlags::SEND_VECTORIZED`].
    pub ioprio: RecvSendFlags,
}

impl Op for Send {
    const OPCODE: Opcode = Opcode::SEND;
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
                (multi, "a send does not go on"),
                (bundle, "a bundle is of provided buffers: SendSelect"),
                (fixed, "SendFixed is the form with a registered buffer"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
