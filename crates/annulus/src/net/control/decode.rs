//! Control messages, taken apart.
//!
//! Owns: the walk over a sequence of them. Invariant: it ends at the first header that is cut off
//! or gives a length that cannot be, and reads nothing behind it.

use std::iter::FusedIterator;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use super::{ALIGN, ControlMessage, Descriptors, HEADER_BYTES, PacketInfoV4, PacketInfoV6};
use crate::net::UCred;
use crate::net::datagram::Address as _;
use crate::net::options::rows::{ip_numbers, so};

/// The control messages of a message, in their order. Made by
/// [`Control::messages`](super::Control::messages) and
/// [`Datagram::control`](crate::net::Datagram::control).
#[derive(Clone, Debug)]
pub struct ControlMessages<'a> {
    rest: &'a [u8],
    rights: &'a [OwnedFd],
    pidfd: Option<BorrowedFd<'a>>,
}

impl<'a> ControlMessages<'a> {
    pub(crate) fn new(bytes: &'a [u8], descriptors: &'a Descriptors) -> Self {
        let Descriptors { rights, pidfd } = descriptors;
        Self { rest: bytes, rights, pidfd: pidfd.as_ref().map(OwnedFd::as_fd) }
    }
}

impl<'a> Iterator for ControlMessages<'a> {
    type Item = ControlMessage<'a>;

    fn next(&mut self) -> Option<ControlMessage<'a>> {
        let Some((level, kind, data, rest)) = split(self.rest) else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        if is_rights(level, kind) {
            let count = (data.len() / size_of::<i32>()).min(self.rights.len());
            let (these, others) = self.rights.split_at(count);
            self.rights = others;
            return Some(ControlMessage::Rights(these));
        }
        if let Some(pidfd) = self.pidfd.filter(|_| is_pidfd(level, kind)) {
            return Some(ControlMessage::Pidfd(pidfd));
        }
        let raw = ControlMessage::Raw { level, kind, bytes: data };
        Some(typed(level, kind, data).unwrap_or(raw))
    }
}

impl FusedIterator for ControlMessages<'_> {}

fn is_rights(level: i32, kind: i32) -> bool {
    (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS)
}

/// `SCM_PIDFD`.
fn is_pidfd(level: i32, kind: i32) -> bool {
    (level, kind) == (libc::SOL_SOCKET, 4)
}

/// Level, type and data of the first, and what lies behind it.
fn split(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let (header, _) = bytes.split_at_checked(HEADER_BYTES)?;
    let (len, names) = header.split_at(size_of::<usize>());
    let len = usize::from_ne_bytes(len.try_into().ok()?);
    let data = bytes.get(HEADER_BYTES..len)?;
    let rest = bytes.get(len.checked_next_multiple_of(ALIGN)?..).unwrap_or(&[]);
    Some((int(names)?, int(&names[4..])?, data, rest))
}

fn int(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// As [`int`], if that is all there is.
fn only_int(bytes: &[u8]) -> Option<i32> {
    if bytes.len() == 4 { int(bytes) } else { None }
}

/// A number of one byte, which the kernel writes as one or as an `int`.
fn byte(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [byte] => Some(*byte),
        _ => u8::try_from(only_int(bytes)?).ok(),
    }
}

fn typed<'a>(level: i32, kind: i32, data: &[u8]) -> Option<ControlMessage<'a>> {
    use ControlMessage as M;
    Some(match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_TOS) => M::Tos(byte(data)?),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => M::TrafficClass(byte(data)?),
        (libc::IPPROTO_IP, libc::IP_TTL) => M::Ttl(byte(data)?),
        (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => M::HopLimit(byte(data)?),
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let words: [u8; 12] = data.try_into().ok()?;
            let address =
                |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(&words[at..at + 4]).ok()?));
            let interface = int(&words)? as u32;
            M::PacketInfoV4(PacketInfoV4 {
                interface,
                local: address(4)?,
                destination: address(8)?,
            })
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let words: [u8; 20] = data.try_into().ok()?;
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(&words[..16]).ok()?);
            M::PacketInfoV6(PacketInfoV6 { interface: int(&words[16..])? as u32, address })
        }
        (libc::SOL_UDP, libc::UDP_SEGMENT) => {
            M::SegmentBytes(u16::from_ne_bytes(data.try_into().ok()?))
        }
        (libc::SOL_UDP, libc::UDP_GRO) => M::GroBytes(u16::try_from(only_int(data)?).ok()?),
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => M::Credentials(UCred::of_bytes(data)?),
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => M::Timestamp(moment(data)?),
        (libc::SOL_SOCKET, so::RXQ_OVFL) => M::Dropped(only_int(data)? as u32),
        (libc::SOL_SOCKET, libc::SO_MARK) => M::Mark(only_int(data)? as u32),
        (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR)
        | (libc::IPPROTO_IPV6, ip_numbers::V6_RECVORIGDSTADDR) => {
            M::OriginalDestination(SocketAddr::of(data).ok()?)
        }
        _ => return None,
    })
}

/// A `struct timespec` of 64 bits each.
fn moment(data: &[u8]) -> Option<SystemTime> {
    let words: [u8; 16] = data.try_into().ok()?;
    let (seconds, nanos) = words.split_at(8);
    let seconds = u64::try_from(i64::from_ne_bytes(seconds.try_into().ok()?)).ok()?;
    let nanos = u32::try_from(i64::from_ne_bytes(nanos.try_into().ok()?)).ok()?;
    if nanos >= 1_000_000_000 {
        return None;
    }
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// As many whole messages from the start as fit into `room` bytes.
pub(super) fn prefix_within(bytes: &[u8], room: usize) -> &[u8] {
    let mut rest = bytes;
    while let Some((_, _, _, behind)) = split(rest) {
        if bytes.len() - behind.len() > room {
            break;
        }
        rest = behind;
    }
    &bytes[..bytes.len() - rest.len()]
}

/// All messages but those that name descriptors.
pub(super) fn without_rights(bytes: &[u8]) -> Vec<u8> {
    let (mut kept, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((level, kind, _, behind)) = split(rest) {
        let (whole, _) = rest.split_at(rest.len() - behind.len());
        if !is_rights(level, kind) {
            kept.extend_from_slice(whole);
        }
        rest = behind;
    }
    kept
}

/// How many descriptors the messages name.
pub(super) fn rights_in(bytes: &[u8]) -> usize {
    numbers(bytes).count()
}

/// The numbers of the descriptors that the messages name.
pub(crate) fn numbers(bytes: &[u8]) -> impl Iterator<Item = i32> + '_ {
    data_of(bytes, is_rights).flat_map(|data| data.chunks_exact(4).filter_map(int))
}

/// The number of the process descriptor that the messages tell, or why there is none, negative.
pub(crate) fn pidfd_in(bytes: &[u8]) -> Option<i32> {
    data_of(bytes, is_pidfd).find_map(only_int)
}

/// The data of the messages of one level and type.
fn data_of(bytes: &[u8], is_it: fn(i32, i32) -> bool) -> impl Iterator<Item = &[u8]> + '_ {
    let mut rest = bytes;
    let messages = std::iter::from_fn(move || {
        let (level, kind, data, behind) = split(rest)?;
        rest = behind;
        Some((level, kind, data))
    });
    messages.filter(move |(level, kind, _)| is_it(*level, *kind)).map(|(_, _, data)| data)
}
