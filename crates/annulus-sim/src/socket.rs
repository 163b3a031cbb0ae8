//! Sockets: what is connected to what, on one machine.
//!
//! Owns: a socket's state, addresses and options, and the port numbers. Does not own: the streams
//! between sockets. Mirrors socket(7), unix(7), tcp(7), on loopback alone: every address of the
//! world is its own.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use annulus_ring::SocketAddress;

use crate::datagrams::Mailbox;
use crate::files::Id;
use crate::memory::{address_bytes, socket_address};

/// A socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) domain: i32,
    pub(crate) state: State,
    /// The address it is bound to; empty if none.
    pub(crate) local: Vec<u8>,
    pub(crate) options: BTreeMap<(i32, i32), Vec<u8>>,
}

/// What a socket is.
#[derive(Debug)]
pub(crate) enum State {
    Fresh,
    Listening {
        backlog: VecDeque<Id>,
        limit: usize,
    },
    Connected {
        rx: Id,
        tx: Id,
        peer: Vec<u8>,
    },
    /// It keeps messages apart, connected or not.
    Messages(Mailbox),
}

impl Socket {
    pub(crate) fn new(domain: i32) -> Self {
        Self { domain, state: State::Fresh, local: Vec::new(), options: BTreeMap::new() }
    }

    /// One that keeps messages apart.
    pub(crate) fn of_messages(domain: i32) -> Self {
        Self { state: State::Messages(Mailbox::default()), ..Self::new(domain) }
    }

    pub(crate) fn has_messages(&self) -> bool {
        matches!(self.state, State::Messages(_))
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.domain == libc::AF_UNIX
    }

    /// The streams of a connected socket: what it reads, what it writes.
    pub(crate) fn streams(&self) -> Option<(Id, Id)> {
        match self.state {
            State::Connected { rx, tx, .. } => Some((rx, tx)),
            _ => None,
        }
    }
}

/// The address with another port.
pub(crate) fn with_port(bytes: &[u8], port: u16) -> Vec<u8> {
    match socket_address(bytes).ip() {
        Some(mut address) => {
            address.set_port(port);
            address_bytes(&SocketAddress::from(address))
        }
        None => bytes.to_vec(),
    }
}

/// The port of an Internet address.
pub(crate) fn port(bytes: &[u8]) -> Option<u16> {
    socket_address(bytes).ip().map(|address| address.port())
}

/// Where a listener for `bytes` can be: there, or at the wildcard address with the same port.
pub(crate) fn candidates(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![bytes.to_vec()];
    if let Some(address) = socket_address(bytes).ip() {
        let any = match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let wildcard = SocketAddr::new(any, address.port());
        found.push(address_bytes(&SocketAddress::from(wildcard)));
    }
    found
}

/// What a socket that is not bound calls itself.
pub(crate) fn unbound(domain: i32) -> Vec<u8> {
    let address = match domain {
        libc::AF_INET => SocketAddress::from(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
        libc::AF_INET6 => SocketAddress::from(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)),
        _ => SocketAddress::unix_unnamed(),
    };
    address_bytes(&address)
}

/// The loopback address of a domain.
pub(crate) fn loopback(domain: i32, port: u16) -> Vec<u8> {
    let address = match domain {
        libc::AF_INET => SocketAddress::from(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        libc::AF_INET6 => SocketAddress::from(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)),
        _ => SocketAddress::unix_unnamed(),
    };
    address_bytes(&address)
}
