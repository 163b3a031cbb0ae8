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

    /// An internet address, as the kernel has it; nothing for any other.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Internet { bytes, len } => &bytes[..usize::from(*len)],
            Self::Peer | Self::Other(_) => &[],
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
}

impl<B> SendDatagram<B> {
    pub(crate) fn new(handle: Handle, buf: B, to: To) -> Self {
        Self { handle, buf, to }
    }

    /// What it has come to.
    pub(crate) fn ended(self, sent: io::Result<usize>) -> BufResult<usize, B> {
        match sent {
            Ok(bytes) => Ok((bytes, self.buf)),
            Err(error) => Err(BufError::new(error, self.buf)),
        }
    }
}

impl<B: IoBuf> SendDatagram<B> {
    /// Describes it for a system call, which must end before this is moved.
    pub(super) fn describe(&mut self, header: &mut libc::msghdr, piece: &mut libc::iovec) {
        piece.iov_base = self.buf.bytes_ptr().cast_mut().cast();
        piece.iov_len = clamp_transfer(self.buf.bytes_len()) as usize;
        header.msg_iov = piece;
        header.msg_iovlen = 1;
        let (name, name_bytes) = self.to.name();
        header.msg_name = name.cast();
        header.msg_namelen = name_bytes as libc::socklen_t;
    }
}

// SAFETY: the buffer's memory is stable (the contract of `IoBuf`); the address is in the operation
// itself, which does not move while it is in a slot, or on the heap.
unsafe impl<B: IoBuf> Operation for SendDatagram<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::SEND);

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    #[inline]
    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (addr, len) = (self.buf.bytes_ptr(), clamp_transfer(self.buf.bytes_len()));
        let (flags, ioprio) = (libc::MSG_NOSIGNAL, RecvSendFlags::EMPTY);
        if matches!(self.to, To::Peer) {
            op::Send { target, addr, len, flags, ioprio }.encode(sqe);
            return;
        }
        let (dest, dest_len) = self.to.name();
        let (dest, dest_len) = (dest.cast_const().cast(), dest_len as u16);
        op::SendTo { target, addr, len, flags, ioprio, dest, dest_len }.encode(sqe);
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

/// A buffer that is sent as several messages of one length, the last of what is left.
pub(crate) struct SendSegments<B> {
    datagram: SendDatagram<B>,
    control: [u8; SEGMENT_BYTES],
    header: Header,
}

impl<B> SendSegments<B> {
    /// # Errors
    /// With the buffer: for segments without bytes.
    pub(crate) fn of(
        datagram: SendDatagram<B>,
        segment_bytes: u16,
    ) -> Result<Self, BufResult<usize, B>> {
        if segment_bytes == 0 {
            let text = "segments of 0 bytes: there would be no end of them";
            let error = io::Error::new(io::ErrorKind::InvalidInput, text);
            return Err(Err(BufError::new(error, datagram.buf)));
        }
        let mut control = [0; SEGMENT_BYTES];
        let len = size_of::<libc::cmsghdr>() + size_of::<u16>();
        control[..8].copy_from_slice(&(len as u64).to_ne_bytes());
        control[8..12].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
        control[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
        control[16..18].copy_from_slice(&segment_bytes.to_ne_bytes());
        Ok(Self { datagram, control, header: Header::new() })
    }
}

// SAFETY: as for `SendDatagram`; control data and header are in the operation itself, too.
unsafe impl<B: IoBuf> Operation for SendSegments<B> {
    type Output = BufResult<usize, B>;
    const OPCODE: Option<Opcode> = Some(Opcode::SENDMSG);

    fn handle(&self) -> Option<Handle> {
        self.datagram.handle()
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let SendDatagram { buf, to, .. } = &mut self.datagram;
        let len = clamp_transfer(buf.bytes_len()) as usize;
        self.header.of_piece(buf.bytes_ptr().cast_mut(), len);
        let (name, name_bytes) = to.name();
        self.header.of_name(name, name_bytes);
        self.header.of_control(self.control.as_mut_ptr(), SEGMENT_BYTES);
        let (flags, ioprio) = (libc::MSG_NOSIGNAL, RecvSendFlags::EMPTY);
        let msg = &raw const self.header.message;
        op::SendMsg { target, msg, flags, ioprio }.encode(sqe);
    }

    fn complete(self, core: &Core, res: i32, flags: u32) -> Self::Output {
        self.datagram.complete(core, res, flags)
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        SendDatagram::refuse(this.map(|this| this.datagram), error)
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
