//! Control messages: what goes with the bytes of a message, as cmsg(3) lays it out.
//!
//! Owns: the typed messages, their encoding and decoding, and the descriptors that travel in them.
//! Does not own: the requests that carry them (`core/message_op.rs`).
//!
//! Invariants: whatever the bytes are, decoding neither panics nor reads past them; all of them are
//! initialised, also those that the kernel leaves out; a descriptor that came along is owned from
//! the moment the request ends, so it is closed unless somebody takes it; whatever a sequence names
//! a descriptor in is of one that it owns, so sending it passes nobody else's. Mirrors cmsg(3),
//! ip(7), ipv6(7), udp(7), unix(7), socket(7).

mod decode;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

pub use decode::ControlMessages;
pub(crate) use decode::{numbers, pidfd_in};
use decode::{prefix_within, rights_in, without_rights};

use super::UCred;
use super::options::rows::{ip_numbers, so};
use crate::core::message_send::To;

/// The header of a control message: its length, level and type.
pub(crate) const HEADER_BYTES: usize = size_of::<libc::cmsghdr>();
/// Control messages begin at multiples of this.
const ALIGN: usize = size_of::<usize>();
/// The most descriptors that one message passes (`SCM_MAX_FD`).
const RIGHTS_MAX: usize = 253;

/// One control message. The variants are named for what they say; each tells its level and type.
///
/// To send one, [`Control::push`] it. What is received depends on the options of the socket:
/// [`UdpSocket::set_receive_tos`](super::UdpSocket::set_receive_tos) and its neighbours.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ControlMessage<'a> {
    /// `IPPROTO_IP`, `IP_TOS`: the type of service of an IPv4 packet; its lowest two bits are
    /// [`Ecn`].
    #[doc(alias = "IP_TOS")]
    Tos(u8),
    /// `IPPROTO_IPV6`, `IPV6_TCLASS`: the same of an IPv6 packet.
    #[doc(alias = "IPV6_TCLASS")]
    TrafficClass(u8),
    /// `IPPROTO_IP`, `IP_TTL`: how many more routers an IPv4 packet may pass.
    #[doc(alias = "IP_TTL")]
    Ttl(u8),
    /// `IPPROTO_IPV6`, `IPV6_HOPLIMIT`: the same of an IPv6 packet.
    #[doc(alias = "IPV6_HOPLIMIT")]
    HopLimit(u8),
    /// `IPPROTO_IP`, `IP_PKTINFO`: by which interface and for which address it came; to send, by
    /// which it is to go.
    #[doc(alias = "IP_PKTINFO")]
    PacketInfoV4(PacketInfoV4),
    /// `IPPROTO_IPV6`, `IPV6_PKTINFO`: the same for IPv6.
    #[doc(alias = "IPV6_PKTINFO")]
    PacketInfoV6(PacketInfoV6),
    /// `SOL_UDP`, `UDP_SEGMENT`: the bytes are to be sent as datagrams of this length, the last of
    /// what is left.
    #[doc(alias = "UDP_SEGMENT")]
    SegmentBytes(u16),
    /// `SOL_UDP`, `UDP_GRO`: the bytes are several datagrams of this length, the last of what is
    /// left.
    #[doc(alias = "UDP_GRO")]
    GroBytes(u16),
    /// `SOL_SOCKET`, `SCM_RIGHTS`: descriptors. Take received ones with [`Control::take_rights`].
    #[doc(alias = "SCM_RIGHTS")]
    Rights(&'a [OwnedFd]),
    /// `SOL_SOCKET`, `SCM_CREDENTIALS`: who has sent it, vouched for by the kernel.
    #[doc(alias = "SCM_CREDENTIALS")]
    Credentials(UCred),
    /// `SOL_SOCKET`, `SCM_TIMESTAMPNS`: when the kernel received it.
    #[doc(alias = "SO_TIMESTAMPNS")]
    Timestamp(SystemTime),
    /// `SOL_SOCKET`, `SO_RXQ_OVFL`: how many datagrams the kernel has thrown away before it, for
    /// want of room, since the socket was made.
    #[doc(alias = "SO_RXQ_OVFL")]
    Dropped(u32),
    /// `SOL_SOCKET`, `SO_MARK`: the mark of its packet; to send, which one it is to have.
    #[doc(alias = "SO_MARK")]
    Mark(u32),
    /// `IPPROTO_IP`, `IP_ORIGDSTADDR`, or `IPPROTO_IPV6`, `IPV6_ORIGDSTADDR`: where it was going
    /// before a firewall of this machine redirected it here.
    #[doc(alias = "IP_ORIGDSTADDR")]
    #[doc(alias = "IPV6_ORIGDSTADDR")]
    OriginalDestination(SocketAddr),
    /// `SOL_SOCKET`, `SCM_PIDFD`: the process that has sent it, on a socket that was asked to tell
    /// (`SO_PASSPIDFD`, Linux 6.5). It is closed with the messages; duplicate it to keep it. It
    /// cannot be sent.
    #[doc(alias = "SO_PASSPIDFD")]
    #[doc(alias = "SCM_PIDFD")]
    Pidfd(BorrowedFd<'a>),
    /// Any other one, or one of the above with a length that it cannot have.
    Raw {
        /// `cmsg_level`.
        level: i32,
        /// `cmsg_type`.
        kind: i32,
        /// What follows the header.
        bytes: &'a [u8],
    },
}

/// Of an IPv4 packet (`struct in_pktinfo`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PacketInfoV4 {
    /// The interface; 0 to send lets the routing decide.
    pub interface: u32,
    /// The address of this host (`ipi_spec_dst`); to send, the source.
    pub local: Ipv4Addr,
    /// Where the header says that it goes (`ipi_addr`): a group's address, for instance. Not looked
    /// at to send.
    pub destination: Ipv4Addr,
}

/// Of an IPv6 packet (`struct in6_pktinfo`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PacketInfoV6 {
    /// The interface; 0 to send lets the routing decide.
    pub interface: u32,
    /// Where it goes; to send, the source.
    pub address: Ipv6Addr,
}

/// Explicit congestion notification (RFC 3168): the lowest two bits of the type of service and of
/// the traffic class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Ecn {
    /// Not capable of it.
    NotCapable = 0,
    /// Capable, codepoint ECT(1).
    Capable1 = 1,
    /// Capable, codepoint ECT(0).
    Capable0 = 2,
    /// Congestion was experienced.
    Congestion = 3,
}

impl Ecn {
    /// The mark in a type of service or traffic class.
    #[must_use]
    pub fn of(tos: u8) -> Self {
        match tos & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::Congestion,
        }
    }
}

/// A sequence of control messages: to be sent, or room to receive some, and then what came.
///
/// It owns the descriptors that its messages name, whichever way they came to it. So one that was
/// received can be sent on: descriptors that were not taken are passed, those that were
/// [taken](Self::take_rights) are not. The kernel refuses to send what only it can tell, a time for
/// instance, with `InvalidInput`.
///
/// ```
/// use annulus::net::control::{Control, ControlMessage, Ecn};
///
/// let mut control = Control::new();
/// control.push(ControlMessage::Tos(Ecn::Capable0 as u8))?;
/// control.push(ControlMessage::SegmentBytes(1200))?;
/// let kinds: Vec<_> = control.messages().collect();
/// assert!(matches!(kinds[..], [ControlMessage::Tos(2), ControlMessage::SegmentBytes(1200)]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct Control {
    /// The messages, encoded.
    bytes: Vec<u8>,
    /// How many of them the kernel may write when it receives.
    room: usize,
    /// Those that the messages name.
    descriptors: Descriptors,
    truncated: bool,
}

/// The descriptors that control messages name.
#[derive(Default, Debug)]
pub(crate) struct Descriptors {
    /// Those of `SCM_RIGHTS`, in their order.
    pub(crate) rights: Vec<OwnedFd>,
    /// That of `SCM_PIDFD`, of which a message has one at most.
    pub(crate) pidfd: Option<OwnedFd>,
}

impl Control {
    /// None, and no room to receive any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Room to receive as many bytes of control messages, headers and padding included, rounded up
    /// to a multiple of 8.
    ///
    /// Each takes 16 bytes and its contents, rounded up to a multiple of 8: 128 bytes are enough
    /// for what a UDP socket tells unless everything is asked for, 1056 for as many descriptors as
    /// a message can pass.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        // What the kernel cuts has whole words then, so no descriptor comes without its number.
        let room = bytes.checked_next_multiple_of(ALIGN).unwrap_or(bytes);
        Self { bytes: Vec::with_capacity(room), room, ..Self::default() }
    }

    /// Appends a message that is to be sent.
    ///
    /// # Errors
    /// Descriptors are duplicated, which fails when the process may have no more; `InvalidInput`
    /// for more than 253 of them in all, for [`Pidfd`](ControlMessage::Pidfd), and for a raw
    /// `SCM_RIGHTS`, whose numbers would be of descriptors that nobody has lent. Nothing is
    /// appended then.
    pub fn push(&mut self, message: ControlMessage<'_>) -> io::Result<()> {
        use ControlMessage as M;
        match message {
            M::Tos(value) => self.number(libc::IPPROTO_IP, libc::IP_TOS, value),
            M::TrafficClass(value) => self.number(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, value),
            M::Ttl(value) => self.number(libc::IPPROTO_IP, libc::IP_TTL, value),
            M::HopLimit(value) => self.number(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, value),
            M::PacketInfoV4(info) => {
                let PacketInfoV4 { interface, local, destination } = info;
                let parts = [&interface.to_ne_bytes(), &local.octets(), &destination.octets()];
                self.append(libc::IPPROTO_IP, libc::IP_PKTINFO, &parts.map(|part| *part).concat());
            }
            M::PacketInfoV6(PacketInfoV6 { interface, address }) => {
                let bytes = [&address.octets()[..], &interface.to_ne_bytes()].concat();
                self.append(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &bytes);
            }
            M::SegmentBytes(bytes) => {
                self.append(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes());
            }
            M::GroBytes(bytes) => {
                self.append(libc::SOL_UDP, libc::UDP_GRO, &i32::from(bytes).to_ne_bytes());
            }
            M::Rights(rights) => {
                let copies: io::Result<Vec<_>> = rights.iter().map(OwnedFd::try_clone).collect();
                return self.pass(copies?);
            }
            M::Credentials(cred) => {
                self.append(libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &cred.to_bytes());
            }
            M::Timestamp(at) => {
                let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
                let parts = [since.as_secs(), u64::from(since.subsec_nanos())];
                let bytes = parts.map(u64::to_ne_bytes).concat();
                self.append(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &bytes);
            }
            M::Dropped(count) => {
                self.append(libc::SOL_SOCKET, so::RXQ_OVFL, &count.to_ne_bytes());
            }
            M::Mark(mark) => self.append(libc::SOL_SOCKET, libc::SO_MARK, &mark.to_ne_bytes()),
            M::OriginalDestination(address) => {
                let (level, kind) = match address {
                    SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR),
                    SocketAddr::V6(_) => (libc::IPPROTO_IPV6, ip_numbers::V6_RECVORIGDSTADDR),
                };
                self.append(level, kind, To::from(address).as_bytes());
            }
            M::Raw { level: libc::SOL_SOCKET, kind: libc::SCM_RIGHTS, .. } => {
                return refused(
                    "raw SCM_RIGHTS could name any descriptor: pass owned ones by `Control::pass`, \
                     or lend them as `ControlMessage::Rights`",
                );
            }
            M::Pidfd(_) => {
                return refused(
                    "SCM_PIDFD is of the kernel alone: pass the descriptor as one of \
                     `ControlMessage::Rights`",
                );
            }
            M::Raw { level, kind, bytes } => self.append(level, kind, bytes),
        }
        Ok(())
    }

    /// Appends descriptors that are to be passed. They are closed here when this is dropped; the
    /// receiver's are others.
    ///
    /// # Errors
    /// `InvalidInput` for more than 253 of them in all, as many as a message can pass.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn pass(&mut self, rights: Vec<OwnedFd>) -> io::Result<()> {
        let count = self.descriptors.rights.len() + rights.len();
        if count > RIGHTS_MAX {
            let error = format!("{count} descriptors in one message; the kernel passes 253");
            return refused(&error);
        }
        let numbers: Vec<u8> =
            rights.iter().flat_map(|fd| fd.as_fd().as_raw_fd().to_ne_bytes()).collect();
        self.append(libc::SOL_SOCKET, libc::SCM_RIGHTS, &numbers);
        self.descriptors.rights.extend(rights);
        Ok(())
    }

    /// The messages, in their order.
    #[must_use]
    pub fn messages(&self) -> ControlMessages<'_> {
        ControlMessages::new(&self.bytes, &self.descriptors)
    }

    /// The descriptors that came along. They are close-on-exec. What is not taken is closed when
    /// this is dropped, or received into again.
    ///
    /// The messages that named them go with them: what is sent afterwards names no descriptor that
    /// is not here any more.
    pub fn take_rights(&mut self) -> Vec<OwnedFd> {
        if !self.descriptors.rights.is_empty() {
            self.bytes = without_rights(&self.bytes);
        }
        std::mem::take(&mut self.descriptors.rights)
    }

    /// The encoded messages, with the descriptors that they name.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Descriptors) {
        (self.bytes, self.descriptors)
    }

    /// Whether control messages were lost because there was no room for them (`MSG_CTRUNC`).
    ///
    /// Descriptors that were among the lost are closed.
    #[doc(alias = "MSG_CTRUNC")]
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Forgets all messages, and closes their descriptors; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.descriptors = Descriptors::default();
        self.truncated = false;
    }

    /// The messages, encoded as cmsg(3) has them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it and gives the room that the kernel may write to. It is zeroed: the kernel leaves
    /// the padding behind a message as it is, which [`as_bytes`](Self::as_bytes) shows.
    pub(crate) fn zeroed_room(&mut self) -> &mut [u8] {
        self.clear();
        self.bytes.resize(self.room, 0);
        &mut self.bytes
    }

    /// As many bytes of the room as the kernel has written to.
    pub(crate) fn written(&mut self, len: usize) -> &[u8] {
        self.bytes.truncate(len);
        &self.bytes
    }

    /// The descriptors in what the kernel has written.
    pub(crate) fn filled(&mut self, descriptors: Descriptors, truncated: bool) {
        self.descriptors = descriptors;
        self.truncated = truncated;
    }

    /// As if the kernel had written these.
    pub(crate) fn copy(&mut self, bytes: &[u8], mut came: Descriptors, truncated: bool) {
        self.clear();
        let fitting = prefix_within(bytes, self.room);
        let named = rights_in(fitting);
        debug_assert!(named <= came.rights.len(), "each descriptor that is named is owned");
        self.bytes.extend_from_slice(fitting);
        came.rights.truncate(named);
        if pidfd_in(fitting).is_none() {
            came.pidfd = None;
        }
        self.descriptors = came;
        self.truncated = truncated || fitting.len() < bytes.len();
    }

    /// An `int`, which is what the kernel takes for all numbers of a byte.
    fn number(&mut self, level: i32, kind: i32, value: u8) {
        self.append(level, kind, &i32::from(value).to_ne_bytes());
    }

    fn append(&mut self, level: i32, kind: i32, data: &[u8]) {
        self.bytes.extend_from_slice(&(HEADER_BYTES + data.len()).to_ne_bytes());
        self.bytes.extend_from_slice(&level.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

fn refused(text: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_struct("Control");
        list.field("messages", &self.messages().collect::<Vec<_>>());
        list.field("truncated", &self.truncated).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
