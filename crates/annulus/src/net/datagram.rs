//! A datagram that was received by lease.
//!
//! Owns: what the parts of a message mean to a user. Does not own: the layout (`core/message.rs`).

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net as unix;

use super::control::{ControlMessage, ControlMessages, Ecn};
use crate::buf::Lease;
use crate::core::message::Message;

/// An address as the kernel writes it.
pub(super) trait Address: Sized {
    /// # Errors
    /// If it is one of another family.
    fn of(name: &[u8]) -> io::Result<Self>;
}

impl Address for SocketAddr {
    fn of(name: &[u8]) -> io::Result<Self> {
        let port = || Some(u16::from_be_bytes(name.get(2..4)?.try_into().ok()?));
        let word = |at: usize| <[u8; 4]>::try_from(name.get(at..at + 4)?).ok();
        let address = match family(name) {
            libc::AF_INET => word(4)
                .zip(port())
                .map(|(ip, port)| SocketAddrV4::new(Ipv4Addr::from(ip), port).into()),
            libc::AF_INET6 => name.get(8..24).and_then(|ip| {
                let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?);
                let (flow, scope) = (u32::from_ne_bytes(word(4)?), u32::from_ne_bytes(word(24)?));
                Some(SocketAddrV6::new(ip, port()?, flow, scope).into())
            }),
            _ => None,
        };
        address.ok_or_else(|| io::Error::other("the sender has no Internet address"))
    }
}

impl Address for unix::SocketAddr {
    fn of(name: &[u8]) -> io::Result<Self> {
        match name.get(2..).unwrap_or(&[]) {
            [] => unix_unnamed(),
            [0, name @ ..] => Self::from_abstract_name(name),
            path => {
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                let path = std::ffi::OsStr::from_bytes(&path[..end]);
                Self::from_pathname(path).or_else(|_| unix_unnamed())
            }
        }
    }
}

/// No name. It stands in for the one that the type of `std` cannot hold: a path of 108 bytes, which
/// fills a `sockaddr_un` to its end, and which whoever connects or sends may have given themselves.
pub(super) fn unix_unnamed() -> io::Result<unix::SocketAddr> {
    unix::SocketAddr::from_pathname("")
}

fn family(name: &[u8]) -> i32 {
    match name {
        [first, second, ..] => i32::from(u16::from_ne_bytes([*first, *second])),
        _ => libc::AF_UNSPEC,
    }
}

/// A datagram where the kernel put it, with its sender and what else the kernel tells of it.
///
/// It dereferences to its bytes; [`into_lease`](Self::into_lease) gives them as a [`Lease`], which
/// can be sent without being copied. Like a lease it may be kept across awaits and moved to other
/// threads, and holds a buffer of the core until it is dropped.
///
/// `A` is the sender's address: [`SocketAddr`] of UDP, [`unix::SocketAddr`] of Unix sockets.
pub struct Datagram<A = SocketAddr> {
    message: Message,
    sender: A,
}

/// What a message is to a user.
pub(super) fn datagram<A: Address>(message: Message) -> io::Result<Datagram<A>> {
    Ok(Datagram { sender: A::of(message.name())?, message })
}

impl<A> Datagram<A> {
    /// Who has sent it. A Unix sender is unnamed if it is, or if its path is longer than `std` has
    /// room for, 107 bytes.
    pub fn sender(&self) -> &A {
        &self.sender
    }

    /// Its bytes alone. Descriptors that came along and were not taken are closed.
    pub fn into_lease(self) -> Lease {
        self.message.into_payload()
    }

    /// Its length as it was sent: more than there are bytes here if it was truncated.
    pub fn sent_bytes(&self) -> usize {
        self.message.sent_bytes()
    }

    /// Whether it was longer than the buffer, 64 KiB, and its rest is lost (`MSG_TRUNC`). Only a
    /// Unix socket has such datagrams.
    #[doc(alias = "MSG_TRUNC")]
    pub fn is_truncated(&self) -> bool {
        self.message.flags() & libc::MSG_TRUNC != 0
    }

    /// The control messages that came with it.
    pub fn control(&self) -> ControlMessages<'_> {
        ControlMessages::new(self.message.control(), self.message.descriptors())
    }

    /// Whether control messages were lost because there was no room for them (`MSG_CTRUNC`).
    #[doc(alias = "MSG_CTRUNC")]
    pub fn is_control_truncated(&self) -> bool {
        self.message.flags() & libc::MSG_CTRUNC != 0
    }

    /// The descriptors that came along. They are close-on-exec. What is not taken is closed.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn take_rights(&mut self) -> Vec<OwnedFd> {
        self.message.take_rights()
    }

    /// The congestion mark of its packet, if the socket was asked to tell
    /// ([`UdpSocket::set_receive_tos`](super::UdpSocket::set_receive_tos)).
    pub fn ecn(&self) -> Option<Ecn> {
        self.control().find_map(|message| match message {
            ControlMessage::Tos(tos) | ControlMessage::TrafficClass(tos) => Some(Ecn::of(tos)),
            _ => None,
        })
    }

    /// The length of the datagrams that the kernel has joined to this one, the last of which may be
    /// shorter; its whole length if it is one
    /// ([`UdpSocket::set_gro`](super::UdpSocket::set_gro)).
    #[doc(alias = "UDP_GRO")]
    pub fn segment_bytes(&self) -> usize {
        let joined = self.control().find_map(|message| match message {
            ControlMessage::GroBytes(bytes) if bytes > 0 => Some(usize::from(bytes)),
            _ => None,
        });
        joined.unwrap_or(self.len())
    }

    /// The datagrams that it is made of, in the order in which they came: one, unless the kernel
    /// has joined several.
    pub fn segments(&self) -> Segments<'_> {
        Segments { rest: Some(self), segment_bytes: self.segment_bytes() }
    }
}

impl<A> Deref for Datagram<A> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.message.payload()
    }
}

impl<A> AsRef<[u8]> for Datagram<A> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<A: fmt::Debug> fmt::Debug for Datagram<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram")
            .field("sender", &self.sender)
            .field("len", &self.len())
            .field("sent_bytes", &self.sent_bytes())
            .field("control", &self.control().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The datagrams that were joined to one. Made by [`Datagram::segments`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: Option<&'a [u8]>,
    segment_bytes: usize,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        if rest.len() <= self.segment_bytes {
            return self.rest.take();
        }
        let (segment, behind) = rest.split_at(self.segment_bytes);
        self.rest = Some(behind);
        Some(segment)
    }
}

impl FusedIterator for Segments<'_> {}

/// What a receive into a buffer has brought besides the bytes.
///
/// `A` is the sender's address: [`SocketAddr`] of UDP, [`unix::SocketAddr`] of Unix sockets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Received<A = SocketAddr> {
    /// How many bytes are in the buffer.
    pub bytes: usize,
    /// The length of the datagram as it was sent: more than `bytes` if the buffer was too short,
    /// and the rest is lost.
    pub sent_bytes: usize,
    /// Who has sent it.
    pub sender: A,
}

impl<A> Received<A> {
    /// Whether the buffer was too short (`MSG_TRUNC`).
    #[doc(alias = "MSG_TRUNC")]
    pub fn is_truncated(&self) -> bool {
        self.bytes < self.sent_bytes
    }
}
