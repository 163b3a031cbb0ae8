//! Sockets that come from elsewhere.
//!
//! Owns: what a descriptor must be to become one of the handles. Does not own: what `std`'s types
//! become, which their `from_std` says.
//!
//! `std`'s types may be made of any descriptor, so they prove nothing. What is of a socket of
//! messages in this crate relies on what is asked here: that the kernel keeps messages apart, and
//! writes as much of one as there is room for. A socket keeps its
//! type for ever.
//!
//! For streams nothing relies on it: the kernel is never asked for more than it writes there, so a
//! stream of a foreign kind would merely be of no use, and `from_std` saves the calls.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use annulus_ring::Kernel as _;

use super::{TcpListener, TcpStream, UnixListener, UnixStream};
use crate::core::with_any;

/// What a handle takes.
pub(super) struct Wanted {
    name: &'static str,
    domains: &'static [i32],
    kind: i32,
    listens: bool,
}

impl Wanted {
    const fn new(name: &'static str, domains: &'static [i32], kind: i32, listens: bool) -> Self {
        Self { name, domains, kind, listens }
    }

    fn fits(&self, [domain, kind, listens]: [i32; 3]) -> bool {
        self.domains.contains(&domain) && kind == self.kind && (listens != 0) == self.listens
    }
}

const INTERNET: &[i32] = &[libc::AF_INET, libc::AF_INET6];
const UNIX: &[i32] = &[libc::AF_UNIX];

pub(super) const TCP_STREAM: Wanted = Wanted::new("TcpStream", INTERNET, libc::SOCK_STREAM, false);
pub(super) const TCP_LISTENER: Wanted =
    Wanted::new("TcpListener", INTERNET, libc::SOCK_STREAM, true);
pub(super) const UDP_SOCKET: Wanted = Wanted::new("UdpSocket", INTERNET, libc::SOCK_DGRAM, false);
pub(super) const UNIX_STREAM: Wanted = Wanted::new("UnixStream", UNIX, libc::SOCK_STREAM, false);
pub(super) const UNIX_LISTENER: Wanted = Wanted::new("UnixListener", UNIX, libc::SOCK_STREAM, true);
pub(super) const UNIX_DATAGRAM: Wanted = Wanted::new("UnixDatagram", UNIX, libc::SOCK_DGRAM, false);
pub(super) const UNIX_SEQPACKET: Wanted =
    Wanted::new("UnixSeqpacket", UNIX, libc::SOCK_SEQPACKET, false);
pub(super) const UNIX_SEQPACKET_LISTENER: Wanted =
    Wanted::new("UnixSeqpacketListener", UNIX, libc::SOCK_SEQPACKET, true);

const ALL: [Wanted; 8] = [
    TCP_STREAM,
    TCP_LISTENER,
    UDP_SOCKET,
    UNIX_STREAM,
    UNIX_LISTENER,
    UNIX_DATAGRAM,
    UNIX_SEQPACKET,
    UNIX_SEQPACKET_LISTENER,
];

/// Whether the descriptor is what is wanted.
///
/// # Errors
/// `InvalidInput`, with what it is and what takes it; ENOTSOCK; if no runtime runs on this thread.
pub(super) fn check(fd: impl AsFd, wanted: &Wanted) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let found = with_any(|core| {
        let mut state = core.state.borrow_mut();
        let mut ask = |name| {
            let mut value = [0; 4];
            let asked = state.ring.kernel().option(fd, libc::SOL_SOCKET, name, &mut value);
            asked.map(|_| i32::from_ne_bytes(value)).map_err(io::Error::from)
        };
        let (domain, kind) = (ask(libc::SO_DOMAIN)?, ask(libc::SO_TYPE)?);
        io::Result::Ok([domain, kind, ask(libc::SO_ACCEPTCONN)?])
    })??;
    if wanted.fits(found) {
        return Ok(());
    }
    let [domain, kind, listens] = found;
    let does = if listens != 0 { "listens" } else { "does not listen" };
    let other = ALL.iter().find(|other| other.fits(found));
    let remedy = other.map(|other| format!(": {} takes it", other.name)).unwrap_or_default();
    let text = format!(
        "descriptor {fd} is no {}: its domain is {}, its type {}, and it {does}{remedy}",
        wanted.name,
        domain_name(domain),
        kind_name(kind)
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn domain_name(domain: i32) -> String {
    match domain {
        libc::AF_INET => "AF_INET".into(),
        libc::AF_INET6 => "AF_INET6".into(),
        libc::AF_UNIX => "AF_UNIX".into(),
        _ => domain.to_string(),
    }
}

fn kind_name(kind: i32) -> String {
    match kind {
        libc::SOCK_STREAM => "SOCK_STREAM".into(),
        libc::SOCK_DGRAM => "SOCK_DGRAM".into(),
        libc::SOCK_SEQPACKET => "SOCK_SEQPACKET".into(),
        libc::SOCK_RAW => "SOCK_RAW".into(),
        _ => kind.to_string(),
    }
}

macro_rules! foreign {
    ($($handle:ident, $std:ty, $wanted:ident;)*) => {$(
        /// As `from_std`.
        impl TryFrom<$std> for $handle {
            type Error = io::Error;

            fn try_from(socket: $std) -> io::Result<Self> {
                Self::from_std(socket)
            }
        }

        /// Fails with `InvalidInput`, and closes the descriptor, if that is no such socket;
        /// ENOTSOCK if it is none at all.
        impl TryFrom<OwnedFd> for $handle {
            type Error = io::Error;

            fn try_from(fd: OwnedFd) -> io::Result<Self> {
                check(&fd, &$wanted)?;
                Self::from_std(fd.into())
            }
        }
    )*};
}

foreign! {
    TcpStream, std::net::TcpStream, TCP_STREAM;
    TcpListener, std::net::TcpListener, TCP_LISTENER;
    UnixStream, std::os::unix::net::UnixStream, UNIX_STREAM;
    UnixListener, std::os::unix::net::UnixListener, UNIX_LISTENER;
}
