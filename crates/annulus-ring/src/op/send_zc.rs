//! Send without copying. Mirrors io_uring_prep_send_zc(3).

use std::io;

use annulus_abi::{Cqe, CqeFlags, Opcode, RecvSendFlags, Sqe};

use super::{OLDEST, Op, Target, address, count, first_kernel, later};
use crate::{OpConflict, Version};

/// Sends at most `len` bytes straight from the memory at `addr`.
///
/// There are two completions. The first says how many bytes were sent; if it carries
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE), *whatever its result*, a second one follows
/// that says that the memory is free again, perhaps long after: when the peer has acknowledged. The
/// output tells them apart: [`ZeroCopy`]. To give the second one a user data of its own there is
/// [`NotifyAs`](super::NotifyAs).
///
/// Pinning pages and the second completion cost more than copying a few KiB does; a loopback device
/// always copies.
///
/// # Kernel
/// `SEND_ZC`, since 6.0; an address since 6.0, [`RecvSendFlags::SEND_ZC_REPORT_USAGE`] since 6.2.
/// *Inline* when the socket has room, else *polled*.
///
/// # Errors
/// As [`Send`](super::Send), and `EOPNOTSUPP` (neither TCP nor UDP), `ENOMEM` (`RLIMIT_MEMLOCK`),
/// `EFAULT` (not inside the registered buffer).
///
/// # Memory
/// `addr` to `addr + len`, unchanged, until the completion without
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); `dest` until the first.
#[doc(alias = "IORING_OP_SEND_ZC")]
#[doc(alias = "io_uring_prep_send_zc")]
#[doc(alias = "io_uring_prep_send_zc_fixed")]
#[doc(alias = "io_uring_prep_send_set_addr")]
#[doc(alias = "zerocopy")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendZc {
    /// The socket.
    pub target: Target,
    /// Where the bytes come from; an array of `iovec` with [`RecvSendFlags::SEND_VECTORIZED`], of
    /// which [`SendvZc`](super::SendvZc) is the typed form.
    pub addr: *const u8,
    /// How many bytes at most; with [`RecvSendFlags::SEND_VECTORIZED`] how many pieces.
    pub len: u32,
    /// `MSG_*`: `MSG_NOSIGNAL`, `MSG_WAITALL`, `MSG_MORE`, …
    pub flags: i32,
    /// [`RecvSendFlags::POLL_FIRST`], [`RecvSendFlags::SEND_ZC_REPORT_USAGE`],
    /// and [`RecvSendFlags::FIXED_BUF`] to send from a registered buffer.
    pub ioprio: RecvSendFlags,
    /// Which registered buffer `addr` is inside of, with [`RecvSendFlags::FIXED_BUF`]; else 0.
    pub buf_index: u16,
    /// The address to send to, or null.
    pub dest: *const libc::sockaddr,
    /// How many bytes it has; 0 if null.
    pub dest_len: u16,
}

/// In a notification's result: the kernel copied after all (`IORING_NOTIF_USAGE_ZC_COPIED`).
const USAGE_COPIED: u32 = 1 << 31;

/// What one completion of a zero-copy send says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZeroCopy {
    /// So many bytes were sent; the memory is still the kernel's if the completion carries
    /// [`CqeFlags::MORE`].
    Sent {
        /// How many.
        bytes: u32,
    },
    /// The memory is free again.
    Released {
        /// With [`RecvSendFlags::SEND_ZC_REPORT_USAGE`]: whether data was copied, so that zero-copy
        /// brought nothing. Without: false.
        copied: bool,
    },
}

impl ZeroCopy {
    /// Reads either completion of a zero-copy send.
    pub(super) fn decode(cqe: &Cqe) -> io::Result<Self> {
        if cqe.flags.contains(CqeFlags::NOTIF) {
            let copied = cqe.res as u32 & USAGE_COPIED != 0;
            return Ok(Self::Released { copied });
        }
        count(cqe).map(|bytes| Self::Sent { bytes })
    }
}

impl Op for SendZc {
    const OPCODE: Opcode = Opcode::SEND_ZC;
    type Output = ZeroCopy;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.ioprio = self.ioprio.bits();
        sqe.off = address(self.dest);
        sqe.addr = address(self.addr);
        sqe.len = self.len;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.buf_index;
        sqe.file_index = u32::from(self.dest_len);
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<ZeroCopy> {
        ZeroCopy::decode(cqe)
    }

    fn since(&self) -> Version {
        let both = RecvSendFlags::FIXED_BUF | RecvSendFlags::SEND_VECTORIZED;
        let flags = self.ioprio.since().unwrap_or(OLDEST);
        if self.ioprio.contains(both) { (7, 1) } else { later(first_kernel(Self::OPCODE), flags) }
    }

    fn check(&self) -> Result<(), OpConflict> {
        let unsaid = self.buf_index != 0 && !self.ioprio.contains(RecvSendFlags::FIXED_BUF);
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        OpConflict::if_any(
            Self::OPCODE,
            &[
                (unsaid, "a registered buffer is said with FIXED_BUF"),
                (bundle, "zero-copy sends have no provided buffers"),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
