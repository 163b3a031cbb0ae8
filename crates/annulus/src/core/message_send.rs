//! Sending one message: whole or not at all.
//!
//! Owns: the operations, with all that the kernel reads meanwhile. Does not own: an order: several
//! may be in flight on a socket. Invariants: every address is taken anew when the request goes to
//! the kernel, after the operation's last move; descriptors that are passed stay open until the
//! request has ended; dropping the future cancels what is not sent yet.

use std::io;

use annulus_ring::SocketAddress;
use annulus_ring::abi::{Opcode, RecvSendFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};

use super::key::Handle;
use super::message_op::Header;
use super::op::Operation;
use super::vectored_op::{Pieces, too_many};
use super::{Core, errors};
use crate::buf::{BufError, BufResult, IoBuf, IoVecBuf, clamp_transfer};
use crate::net::control::Control;

/// Bytes of the control message that asks for segments.
const SEGMENT_BYTES: usize = 24;

/// Whom a message is for.
pub(crate) enum To {
    /// Whom the socket is connected to.
    Peer,
    /// An internet address, as a `sockaddr`.
    Internet { bytes: [u8; 28], len: u8 },
    /// Any other.
    Other(Box<SocketAddress>),
}

impl To {
    /// Where the address is, and its length.
    fn name(&mut self) -> (*mut u8, usize) {
        match self {
            Self::Peer => (std::ptr::null_mut(), 0),
            Self::Internet { bytes, len } => (bytes.as_mut_ptr(), usize::from(*len)),
            // The kernel reads it only.
            Self::Other(address) => (address.as_ptr().cast_mut().cast(), address.len() as usize),
        }
    }
}

impl From<std::net::SocketAddr> for To {
    fn from(address: std::net::SocketAddr) -> Self {
        let mut bytes = [0; 28];
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        let (family, len) = match address {
            std::net::SocketAddr::V4(address) => {
                bytes[4..8].copy_from_slice(&address.ip().octets());
                (libc::AF_INET, 16)
            }
            std::net::SocketAddr::V6(address) => {
                bytes[4..8].copy_from_slice(&address.flowinfo().to_ne_bytes());
                bytes[8..24].copy_from_slice(&address.ip().octets());
                bytes[24..].copy_from_slice(&address.scope_id().to_ne_bytes());
                (libc::AF_INET6, 28)
            }
        };
        bytes[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
        Self::Internet { bytes, len }
    }
}

/// A message of one buffer.
pub(crate) struct SendDatagram<B> {
    handle: Handle,
    buf: B,
    to: To,
    /// Send it as datagrams of so many bytes, unless 0.
    segment_bytes: u16,
    control: [u8; SEGMENT_BYTES],
    header: Header,
}

impl<B> SendDatagram<B> {
    pub(crate) fn new(handle: Handle, buf: B, to: To) -> Self {
        let (control, header) = ([0; SEGMENT_BYTES], Header::new());
        Self { handle, buf, to, segment_bytes: 0, control, header }
    }

    /// Sent as datagrams of so many bytes, the last of what is left.
    pub(crate) fn segmented(mut self, bytes: u16) -> Self {
        self.segment_bytes = bytes;
        self
    }

    fn encode_segments(&mut self) {
        let len = size_of::<libc::cmsghdr>() + size_of::<u16>();
        self.control[..8].copy_from_slice(&(len as u64).to_ne_bytes());
        self.control[8..12].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
        self.control[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
        self.control[16..18].copy_from_slice(&self.segment_bytes.to_ne_bytes());
        self.header.of_control(self.control.as_mut_ptr(), SEGMENT_BYTES);
    }
}

// SAFETY: the buffer's memory is stable (the contract of `IoBuf`); name, control data and header
// are in the operation itself, which does not move while it is in a slot, or on the heap.
unsafe impl<B: IoBuf> Operation for SendDatagram<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::SENDMSG);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, len) = (self.buf.bytes_ptr(), clamp_transfer(self.buf.bytes_len()));
        let (flags, ioprio) = (libc::MSG_NOSIGNAL, RecvSendFlags::EMPTY);
        if matches!(self.to, To::Peer) && self.segment_bytes == 0 {
            op::Send { target, addr, len, flags, ioprio }.encode(sqe);
            return;
        }
        let (name, name_bytes) = self.to.name();
        self.header.of_piece(addr.cast_mut(), len as usize);
        self.header.of_name(name, name_bytes);
        if self.segment_bytes > 0 {
            self.encode_segments();
        }
        let msg = &raw const self.header.message;
        op::SendMsg { target, msg, flags, ioprio }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), self.buf));
        }
        Ok((res as usize, self.buf))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| this.buf)))
    }
}

/// A message of several buffers, with control messages.
pub(crate) struct SendMessage<V> {
    handle: Handle,
    bufs: V,
    control: Control,
    to: To,
    pieces: Pieces,
    header: Header,
}

impl<V> SendMessage<V> {
    pub(crate) fn new(handle: Handle, bufs: V, to: To, control: Control) -> Self {
        Self { handle, bufs, control, to, pieces: Pieces::default(), header: Header::new() }
    }
}

// SAFETY: the buffers' memory is stable (the contract of `IoVecBuf`), that of list and control data
// is on the heap; name and header are in the operation itself, which does not move while it is in a
// slot, or on the heap.
unsafe impl<V: IoVecBuf> Operation for SendMessage<V> {
    type Output = BufResult<usize, (V, Control)>;
    const OPCODE: Option<Opcode> = Some(Opcode::SENDMSG);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn refusal(&self) -> Option<io::Error> {
        too_many(self.bufs.part_count())
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        self.pieces.gather(&self.bufs, 0);
        let (iovecs, count) = self.pieces.list();
        self.header.message.msg_iov = iovecs.cast_mut();
        self.header.message.msg_iovlen = count as _;
        let (name, name_bytes) = self.to.name();
        self.header.of_name(name, name_bytes);
        let control = self.control.as_bytes();
        self.header.of_control(control.as_ptr().cast_mut(), control.len());
        let (flags, ioprio) = (libc::MSG_NOSIGNAL, RecvSendFlags::EMPTY);
        let msg = &raw const self.header.message;
        op::SendMsg { target, msg, flags, ioprio }.encode(sqe);
    }

    fn complete(self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        let parts = (self.bufs, self.control);
        if res < 0 {
            return Err(BufError::new(errors::from_res(res), parts));
        }
        Ok((res as usize, parts))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| (this.bufs, this.control))))
    }
}
