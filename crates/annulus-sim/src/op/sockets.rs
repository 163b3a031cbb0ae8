//! Sockets: made, bound, listening, connected, accepted, shut down; by operation and by system
//! call.
//!
//! Owns: these steps, on a network that is one machine. Connections are made at once; what takes
//! time is that the ends hear of it. Mirrors socket(2), bind(2), listen(2), connect(2), accept(2),
//! shutdown(2).

use annulus_abi::{AcceptFlags, Cqe, CqeFlags, FILE_INDEX_ALLOC};

use crate::files::{Id, Kind};
use crate::machine::Machine;
use crate::memory::Entry;
use crate::request::{Prepared, Request, Tried, Wait};
use crate::socket::{Socket, State, candidates, loopback, port, unbound, with_port};

const MODELLED: AcceptFlags =
    AcceptFlags(AcceptFlags::MULTISHOT.0 | AcceptFlags::DONTWAIT.0 | AcceptFlags::POLL_FIRST.0);

impl Machine {
    /// A new socket of streams or of datagrams.
    pub(crate) fn new_socket(&mut self, domain: i32, kind: i32) -> Result<Id, i32> {
        if !matches!(domain, libc::AF_UNIX | libc::AF_INET | libc::AF_INET6) {
            return Err(libc::EAFNOSUPPORT);
        }
        let socket = match kind & 0xf {
            libc::SOCK_STREAM => Socket::new(domain),
            libc::SOCK_DGRAM => Socket::of_messages(domain),
            _ => return Err(libc::EPROTONOSUPPORT),
        };
        let id = self.new_id();
        self.sockets.insert(id, socket);
        Ok(id)
    }

    pub(super) fn socket_asked(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let entry = &request.entry;
        let socket = self.new_socket(entry.fd, entry.off as i32)?;
        self.install(ring, Kind::Socket(socket), entry).map(Tried::done)
    }

    /// Gives a new file its descriptor, or its slot.
    pub(super) fn install(&mut self, ring: usize, kind: Kind, entry: &Entry) -> Result<i32, i32> {
        if entry.file_index == 0 {
            return self.files.open(kind).map_err(|errno| errno.0);
        }
        let table = self.ring(ring).table.as_ref().ok_or(libc::ENXIO)?;
        let (slot, res) = match entry.fixed_slot() {
            Some(slot) if (slot as usize) < table.len() => (slot as usize, 0),
            Some(_) => return Err(libc::EINVAL),
            None => {
                debug_assert_eq!(entry.file_index, FILE_INDEX_ALLOC);
                let free = table.iter().position(Option::is_none).ok_or(libc::ENFILE)?;
                (free, free as i32)
            }
        };
        let file = self.files.describe(kind);
        self.set_slot(ring, slot, Some(file));
        Ok(res)
    }

    /// Puts a file, whose reference is given, into a slot.
    pub(crate) fn set_slot(&mut self, ring: usize, slot: usize, file: Option<Id>) {
        let table = self.ring(ring).table.as_mut();
        let place = table.and_then(|table| table.get_mut(slot));
        let former = place.and_then(|place| core::mem::replace(place, file));
        if let Some(former) = former {
            self.release(former);
        }
    }

    fn socket_in(&self, request: &Request) -> Result<Id, i32> {
        match self.files.kind(request.file.ok_or(libc::EBADF)?) {
            Kind::Socket(socket) => Ok(*socket),
            _ => Err(libc::ENOTSOCK),
        }
    }

    pub(super) fn bind_asked(&mut self, request: &Request) -> Result<Tried, i32> {
        let Prepared::Address(address) = request.prepared.clone() else {
            return Err(libc::EFAULT);
        };
        let socket = self.socket_in(request)?;
        self.bind(socket, address).map(|()| Tried::done(0))
    }

    pub(crate) fn bind(&mut self, id: Id, address: Vec<u8>) -> Result<(), i32> {
        let socket = self.socket(id);
        if !socket.local.is_empty() {
            return Err(libc::EINVAL);
        }
        let address = match port(&address) {
            Some(0) => {
                let free = self.free_port();
                with_port(&address, free)
            }
            Some(_) => address,
            None if self.socket(id).is_unix() => address,
            None => return Err(libc::EAFNOSUPPORT),
        };
        // Ports of UDP are others than those of TCP; names of Unix sockets are shared.
        let (unix, messages) = (self.socket(id).is_unix(), self.socket(id).has_messages());
        let taken = self.sockets.values().any(|other| {
            other.local == address
                && !matches!(other.state, State::Connected { .. })
                && (unix || other.has_messages() == messages)
        });
        if taken {
            return Err(libc::EADDRINUSE);
        }
        self.socket(id).local = address;
        Ok(())
    }

    pub(super) fn free_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == u16::MAX { 49152 } else { port + 1 };
        port
    }

    pub(super) fn listen_asked(&mut self, request: &Request) -> Result<Tried, i32> {
        let socket = self.socket_in(request)?;
        self.listen(socket, request.entry.len as i32).map(|()| Tried::done(0))
    }

    pub(crate) fn listen(&mut self, id: Id, backlog: i32) -> Result<(), i32> {
        let port = self.free_port();
        let socket = self.socket(id);
        if !matches!(socket.state, State::Fresh) {
            return Err(libc::EINVAL);
        }
        if socket.local.is_empty() {
            if socket.is_unix() {
                return Err(libc::EINVAL);
            }
            socket.local = with_port(&unbound(socket.domain), port);
        }
        let limit = backlog.max(1) as usize + 1;
        socket.state = State::Listening { backlog: std::collections::VecDeque::new(), limit };
        let local = socket.local.clone();
        self.listeners.insert(local, id);
        Ok(())
    }

    pub(super) fn connect(&mut self, request: &Request) -> Result<Tried, i32> {
        let Prepared::Address(address) = &request.prepared else {
            return Err(libc::EFAULT);
        };
        let id = self.socket_in(request)?;
        match self.socket(id).state {
            State::Fresh => {}
            State::Connected { .. } => return Err(libc::EISCONN),
            State::Listening { .. } => return Err(libc::EINVAL),
            State::Messages(_) => return self.connect_messages(id, address),
        }
        let found = candidates(address).iter().find_map(|at| self.listeners.get(at).copied());
        let listener = found.ok_or(libc::ECONNREFUSED)?;
        if let State::Listening { backlog, limit } = &self.socket(listener).state {
            if backlog.len() >= *limit {
                // Linux drops the request for a connection, and it is repeated later.
                return Ok(Tried::Wait(vec![Wait::Accept(listener)]));
            }
        }
        let domain = self.socket(id).domain;
        if self.socket(id).local.is_empty() && domain != libc::AF_UNIX {
            let port = self.free_port();
            self.socket(id).local = loopback(domain, port);
        }
        let other = self.new_id();
        let mut socket = Socket::new(domain);
        socket.local = address.clone();
        self.sockets.insert(other, socket);
        self.connect_pair(id, other);
        if let State::Listening { backlog, .. } = &mut self.socket(listener).state {
            backlog.push_back(other);
        }
        self.wake(Wait::Accept(listener));
        Ok(Tried::done(0))
    }

    pub(super) fn accept(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let entry = &request.entry;
        let flags = AcceptFlags(entry.ioprio);
        let multishot = flags.contains(AcceptFlags::MULTISHOT);
        if !flags.without(MODELLED).is_empty() || (multishot && entry.addr != 0) {
            return Err(libc::EINVAL);
        }
        let listener = self.socket_in(request)?;
        loop {
            let State::Listening { backlog, .. } = &mut self.socket(listener).state else {
                return Err(libc::EINVAL);
            };
            let Some(socket) = backlog.pop_front() else {
                if flags.contains(AcceptFlags::DONTWAIT) {
                    return Err(libc::EAGAIN);
                }
                return Ok(Tried::Wait(vec![Wait::Accept(listener)]));
            };
            self.wake(Wait::Accept(listener));
            self.write_peer(entry, socket);
            let res = match self.install(ring, Kind::Socket(socket), entry) {
                Ok(res) => res,
                Err(errno) => {
                    self.end_socket(socket);
                    return Err(errno);
                }
            };
            if !multishot || self.ends_early(ring) {
                return Ok(Tried::done(res));
            }
            let (user_data, flags) = (entry.user_data, CqeFlags::MORE);
            self.post_more(ring, Cqe { user_data, res, flags });
        }
    }

    fn write_peer(&mut self, entry: &Entry, socket: Id) {
        let Some(room) = entry.room_for_address() else { return };
        if let State::Connected { peer, .. } = &self.socket(socket).state {
            let count = peer.len().min(room.bytes.len() as usize);
            room.bytes.write(&peer[..count]);
            room.len.write(&(peer.len() as u32).to_le_bytes());
        }
    }

    pub(super) fn shutdown_asked(&mut self, request: &Request) -> Result<Tried, i32> {
        let socket = self.socket_in(request)?;
        self.shut_down(socket, request.entry.len as i32).map(|()| Tried::done(0))
    }

    pub(crate) fn shut_down(&mut self, id: Id, how: i32) -> Result<(), i32> {
        if !(libc::SHUT_RD..=libc::SHUT_RDWR).contains(&how) {
            return Err(libc::EINVAL);
        }
        let unix = self.socket(id).is_unix();
        let (rx, tx) = match self.socket(id).streams() {
            Some(streams) => streams,
            None => return Err(libc::ENOTCONN),
        };
        if how != libc::SHUT_RD {
            self.stream(tx).ended = true;
            self.wake(Wait::Readable(tx));
            self.wake(Wait::Writable(tx));
        }
        if how != libc::SHUT_WR {
            self.stream(rx).deaf = true;
            // A Unix socket tells its peer; TCP does not.
            self.stream(rx).refused |= unix;
            self.wake(Wait::Readable(rx));
            self.wake(Wait::Writable(rx));
        }
        Ok(())
    }
}
