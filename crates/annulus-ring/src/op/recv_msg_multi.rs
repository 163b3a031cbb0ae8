//! Receive messages into provided buffers. Mirrors io_uring_prep_recvmsg_multishot(3).

use std::io;

use annulus_abi::{Cqe, Opcode, RecvSendFlags, Sqe, SqeFlags};

use super::{OLDEST, Op, Received, Target, address, later, received};
use crate::{OpConflict, Version};

/// Receives every message that arrives on a socket, each into a buffer of group `bgid` that the
/// kernel chooses.
///
/// Of `msg` only two lengths count: how much room each buffer keeps for the peer's address
/// (`msg_namelen`) and for control data (`msg_controllen`). A buffer begins with a header, then
/// that room, then the payload: [`MessageParts::parse`] takes it apart. The bytes of the output
/// count all of it.
///
/// The request stays armed as long as completions carry
/// [`CqeFlags::MORE`](annulus_abi::CqeFlags::MORE); without it, *also on a successful completion*,
/// it must be submitted again.
///
/// # Kernel
/// `RECVMSG` with `IORING_RECV_MULTISHOT`, since 6.0. *Inline* when something is there, and then
/// *polled*.
///
/// # Errors
/// As [`RecvMulti`](super::RecvMulti); `EFAULT` if a buffer has no room for the header and what
/// `msg` asks for.
///
/// # Memory
/// `msg`, unchanged, until the last completion; all buffers of the group, as their
/// [`BufRing`](crate::BufRing) demands.
#[doc(alias = "IORING_OP_RECVMSG")]
#[doc(alias = "io_uring_prep_recvmsg_multishot")]
#[doc(alias = "IORING_RECV_MULTISHOT")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecvMsgMulti {
    /// The socket.
    pub target: Target,
    /// How much room there is for names and control data.
    pub msg: *const libc::msghdr,
    /// `MSG_*`: `MSG_CMSG_CLOEXEC`, `MSG_TRUNC`.
    pub flags: i32,
    /// The group that buffers are taken from.
    pub bgid: u16,
    /// Flags besides [`RecvSendFlags::RECV_MULTISHOT`], which is implied.
    pub ioprio: RecvSendFlags,
}

/// The parts of a buffer that [`RecvMsgMulti`] filled (`struct io_uring_recvmsg_out` and what
/// follows it).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageParts<'a> {
    /// The peer's address, as many bytes as there was room for.
    #[doc(alias = "io_uring_recvmsg_name")]
    pub name: &'a [u8],
    /// The control data, a sequence of `cmsghdr`.
    #[doc(alias = "io_uring_recvmsg_cmsg_firsthdr")]
    #[doc(alias = "io_uring_recvmsg_cmsg_nexthdr")]
    pub control: &'a [u8],
    /// The message, as many bytes as there was room for.
    #[doc(alias = "io_uring_recvmsg_payload")]
    #[doc(alias = "io_uring_recvmsg_payload_length")]
    pub payload: &'a [u8],
    /// `msg_flags`: `MSG_TRUNC`, `MSG_CTRUNC`, …
    pub flags: u32,
}

impl<'a> MessageParts<'a> {
    /// Takes a buffer apart: `bytes` is what the completion says was filled, `name_bytes` and
    /// `control_bytes` are the lengths that the request asked for. `None` if they do not fit
    /// together.
    #[must_use]
    #[doc(alias = "io_uring_recvmsg_validate")]
    pub fn parse(bytes: &'a [u8], name_bytes: usize, control_bytes: usize) -> Option<Self> {
        const HEADER_BYTES: usize = 16;
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let word = |index: usize| {
            let at = index * 4;
            let word: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_ne_bytes(word))
        };
        let (name, rest) = rest.split_at_checked(name_bytes)?;
        let (control, payload) = rest.split_at_checked(control_bytes)?;
        Some(Self {
            name: &name[..name.len().min(word(0)? as usize)],
            control: &control[..control.len().min(word(1)? as usize)],
            payload: &payload[..payload.len().min(word(2)? as usize)],
            flags: word(3)?,
        })
    }
}

impl Op for RecvMsgMulti {
    const OPCODE: Opcode = Opcode::RECVMSG;
    type Output = Received;

    #[inline]
    fn encode(&self, sqe: &mut Sqe) {
        sqe.opcode = Self::OPCODE;
        self.target.encode(sqe);
        sqe.flags |= SqeFlags::BUFFER_SELECT;
        sqe.ioprio = (self.ioprio | RecvSendFlags::RECV_MULTISHOT).bits();
        sqe.addr = address(self.msg);
        sqe.len = 1;
        sqe.op_flags = self.flags as u32;
        sqe.buf_index = self.bgid;
    }

    #[inline]
    fn decode(cqe: &Cqe) -> io::Result<Received> {
        received(cqe)
    }

    fn since(&self) -> Version {
        later((6, 0), self.ioprio.since().unwrap_or(OLDEST))
    }

    fn check(&self) -> Result<(), OpConflict> {
        let bundle = self.ioprio.contains(RecvSendFlags::BUNDLE);
        let wait_all = self.flags & libc::MSG_WAITALL != 0;
        OpConflict::if_any(
            Self::OPCODE,
            &[(bundle, "a message is no bundle"), (wait_all, "what goes on does not wait for all")],
        )
    }
}

#[cfg(test)]
mod tests;
