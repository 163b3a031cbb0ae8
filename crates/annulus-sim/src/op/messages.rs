//! Messages that are kept apart: SEND, SENDMSG, RECV and RECVMSG on datagram sockets.
//!
//! Owns: where a message goes and what becomes of it there, and the form in which it is received.
//! Does not own: provided buffers (`selected`), the sockets. Mirrors sendmsg(2), recvmsg(2),
//! io_uring_prep_recvmsg_multishot(3).
//!
//! Not modelled, and refused: control data, pieces of what is received, SENDMSG and RECVMSG on
//! streams.

use annulus_abi::{Cqe, CqeFlags, Opcode, RecvSendFlags};

use crate::datagrams::{Datagram, Mailbox, Peer};
use crate::fault::Fault;
use crate::files::{Id, Kind};
use crate::hold::Hold;
use crate::machine::Machine;
use crate::memory::{MessageHeader, socket_address};
use crate::request::{Prepared, Request, Tried, Wait};
use crate::socket::{Socket, State, candidates, loopback};

/// The longest message: what one packet of IPv4 holds.
const MESSAGE_MAX: usize = 65_507;
/// `struct io_uring_recvmsg_out`.
const HEADER_BYTES: usize = 16;

const MODELLED: RecvSendFlags =
    RecvSendFlags(RecvSendFlags::POLL_FIRST.0 | RecvSendFlags::RECV_MULTISHOT.0);

impl Machine {
    /// Reads the `msghdr` of a request, or the address of a SEND.
    pub(super) fn prepare_message(&mut self, request: &mut Request) -> Result<(), i32> {
        let entry = &request.entry;
        match entry.opcode {
            Opcode::SEND if entry.off != 0 => {
                request.prepared = Prepared::Address(entry.destination());
            }
            Opcode::SENDMSG | Opcode::RECVMSG => {
                let header = entry.message_header().ok_or(libc::EFAULT)?;
                request.prepared = Prepared::Message(header);
            }
            _ => {}
        }
        Ok(())
    }

    /// Holds the memory of a message, as far as it is one piece.
    pub(super) fn hold_message(&mut self, request: &mut Request) -> Result<(), i32> {
        let Prepared::Message(header) = &request.prepared else {
            return Err(libc::EFAULT);
        };
        let sends = request.entry.opcode == Opcode::SENDMSG;
        if sends && request.selects_buffer() {
            return Err(libc::EINVAL);
        }
        if request.selects_buffer() {
            return Ok(());
        }
        let piece = header.pieces.first().copied();
        if header.pieces.iter().any(|piece| piece.is_fault()) {
            return Err(libc::EFAULT);
        }
        if !sends && header.pieces.len() > 1 {
            return Err(libc::EINVAL);
        }
        let poison = !sends && self.strikes(Fault::Poison);
        request.hold = piece
            .map(|piece| if sends { Hold::sending(piece) } else { Hold::receiving(piece, poison) });
        Ok(())
    }

    /// The socket of messages that a request works on.
    fn messages_of(&self, request: &Request) -> Result<Id, i32> {
        match self.files.kind(request.file_id()?) {
            Kind::Socket(id) if self.sockets.get(id).is_some_and(Socket::has_messages) => Ok(*id),
            Kind::Socket(_) => Err(libc::EINVAL),
            _ => Err(libc::ENOTSOCK),
        }
    }

    pub(super) fn send_whole(&mut self, request: &Request) -> Result<Tried, i32> {
        let from = self.messages_of(request)?;
        self.send_message(request, from)
    }

    pub(super) fn receive_whole(
        &mut self,
        ring: usize,
        request: &mut Request,
    ) -> Result<Tried, i32> {
        let id = self.messages_of(request)?;
        self.receive_message(ring, request, id)
    }

    /// The mailbox of a socket, if it is one of messages.
    fn mailbox(&mut self, id: Id) -> Result<&mut Mailbox, i32> {
        match &mut self.socket(id).state {
            State::Messages(mailbox) => Ok(mailbox),
            _ => Err(libc::EINVAL),
        }
    }

    /// Sends what a request names as one message.
    pub(super) fn send_message(&mut self, request: &Request, from: Id) -> Result<Tried, i32> {
        let (to, bytes) = match &request.prepared {
            Prepared::Message(header) if header.control.len() > 0 => return Err(libc::EINVAL),
            Prepared::Message(header) => {
                let pieces = header.pieces.iter().flat_map(|piece| piece.read());
                (header.name.read(), pieces.collect())
            }
            Prepared::Address(address) => (address.clone(), request.entry.buffer().read()),
            _ => (Vec::new(), request.entry.buffer().read()),
        };
        let sent = bytes.len();
        if sent > MESSAGE_MAX {
            return Err(libc::EMSGSIZE);
        }
        if let Some(errno) = self.mailbox(from)?.error.take() {
            return Err(errno);
        }
        let to = match (to.is_empty(), self.mailbox(from)?.peer.clone()) {
            (true, Some(peer)) => peer,
            (true, None) => return Err(libc::EDESTADDRREQ),
            (false, _) => Peer::Address(to),
        };
        match self.deliver(from, &to, bytes) {
            Delivery::Done => Ok(Tried::done(sent as i32)),
            Delivery::Full(_) if request.may_not_wait() => Err(libc::EAGAIN),
            Delivery::Full(receiver) => Ok(Tried::Wait(vec![Wait::Writable(receiver)])),
            Delivery::Failed(errno) => Err(errno),
        }
    }

    fn deliver(&mut self, from: Id, to: &Peer, bytes: Vec<u8>) -> Delivery {
        let unix = self.socket(from).is_unix();
        self.name_sender(from);
        let sender = seen_as(self.socket(from));
        let receiver = self.receiver(to);
        let takes = receiver.map(|receiver| {
            let is_for = match self.mailbox(receiver).map(|mailbox| mailbox.peer.clone()) {
                Ok(Some(Peer::Address(address))) => address == sender,
                Ok(Some(Peer::Socket(peer))) => peer == from,
                _ => true,
            };
            (receiver, is_for)
        });
        let receiver = match (takes, unix) {
            (Some((receiver, true)), _) => receiver,
            (Some((_, false)), true) => return Delivery::Failed(libc::EPERM),
            (None, true) => return Delivery::Failed(libc::ECONNREFUSED),
            (_, false) => return self.nobody(from),
        };
        let full = self.mailbox(receiver).is_ok_and(|mailbox| mailbox.is_full());
        if full && unix {
            return Delivery::Full(receiver);
        }
        let (mut copies, mut before) = (usize::from(!full), 0);
        if !full && !unix && self.strikes(Fault::Datagram) {
            copies = [1, 0, 2][self.choices.below("once, lost, twice", 3) as usize];
            let earlier = self.mailbox(receiver).map_or(0, |mailbox| mailbox.count());
            before = self.choices.below("overtakes", earlier as u32 + 1) as usize;
        }
        for _ in 0..copies {
            let message = Datagram { from: sender.clone(), bytes: bytes.clone() };
            if let Ok(mailbox) = self.mailbox(receiver) {
                mailbox.put(message, before);
            }
        }
        self.wake(Wait::Readable(receiver));
        Delivery::Done
    }

    /// Nobody receives there: the message is lost, and a connected sender hears of it later.
    fn nobody(&mut self, from: Id) -> Delivery {
        if let Ok(mailbox) = self.mailbox(from) {
            if mailbox.peer.is_some() {
                mailbox.error = Some(libc::ECONNREFUSED);
                self.wake(Wait::Readable(from));
            }
        }
        Delivery::Done
    }

    /// The socket of messages that has an address, or shares its port.
    fn receiver(&mut self, to: &Peer) -> Option<Id> {
        match to {
            Peer::Socket(id) => self.sockets.contains_key(id).then_some(*id),
            Peer::Address(address) => candidates(address).iter().find_map(|at| {
                let mut sockets = self.sockets.iter();
                let found = sockets.find(|(_, socket)| {
                    socket.local == *at && matches!(socket.state, State::Messages(_))
                });
                found.map(|(id, _)| *id)
            }),
        }
    }

    /// Gives a socket of the Internet an address, if it has none.
    pub(super) fn name_sender(&mut self, id: Id) {
        let socket = self.socket(id);
        if socket.local.is_empty() && !socket.is_unix() {
            let domain = socket.domain;
            let port = self.free_port();
            self.socket(id).local = loopback(domain, port);
        }
    }

    /// Connects a socket of messages, again if it is connected.
    pub(super) fn connect_messages(&mut self, id: Id, address: &[u8]) -> Result<Tried, i32> {
        let peer = Peer::Address(address.to_vec());
        if self.socket(id).is_unix() && self.receiver(&peer).is_none() {
            return Err(libc::ECONNREFUSED);
        }
        self.name_sender(id);
        self.mailbox(id)?.peer = Some(peer);
        Ok(Tried::done(0))
    }

    /// Receives a message, however it is asked for.
    pub(super) fn receive_message(
        &mut self,
        ring: usize,
        request: &mut Request,
        id: Id,
    ) -> Result<Tried, i32> {
        let flags = RecvSendFlags(request.entry.ioprio);
        if !flags.without(MODELLED).is_empty() {
            return Err(libc::EINVAL);
        }
        match (&request.prepared, request.selects_buffer()) {
            (Prepared::Message(header), true) => {
                let header = header.clone();
                self.receive_messages(ring, request, &header, id)
            }
            (_, true) => Err(libc::EINVAL),
            _ if flags.contains(RecvSendFlags::RECV_MULTISHOT) => Err(libc::EINVAL),
            _ => self.receive_one(request, id),
        }
    }

    /// What there is, or why there is none.
    fn next_message(&mut self, request: &Request, id: Id) -> Result<Option<Datagram>, i32> {
        let flags = request.entry.op_flags as i32;
        let mailbox = self.mailbox(id)?;
        if flags & libc::MSG_PEEK != 0 && mailbox.error.is_none() {
            return Ok(mailbox.peek().cloned());
        }
        let message = mailbox.take()?;
        self.wake(Wait::Writable(id));
        Ok(message)
    }

    fn nothing(request: &Request, id: Id) -> Result<Tried, i32> {
        if request.may_not_wait() {
            return Err(libc::EAGAIN);
        }
        Ok(Tried::Wait(vec![Wait::Readable(id)]))
    }

    /// One message into the buffer of the request.
    fn receive_one(&mut self, request: &mut Request, id: Id) -> Result<Tried, i32> {
        let header = match request.prepared.clone() {
            Prepared::Message(header) => Some(header),
            _ => None,
        };
        let Some(message) = self.next_message(request, id)? else {
            return Self::nothing(request, id);
        };
        let room = header.as_ref().map_or(request.entry.len as usize, MessageHeader::room);
        let (sent, fits) = (message.bytes.len(), message.bytes.len().min(room));
        self.put(request, &message.bytes[..fits]);
        request.done = 0; // the result says it
        let mut flags = 0;
        if fits < sent {
            flags |= libc::MSG_TRUNC;
        }
        if let Some(header) = header {
            header.answer(&message.from, flags);
        }
        let whole = request.entry.op_flags as i32 & libc::MSG_TRUNC != 0;
        Ok(Tried::done(if whole { sent } else { fits } as i32))
    }

    /// Messages into provided buffers, once or again and again.
    fn receive_messages(
        &mut self,
        ring: usize,
        request: &Request,
        header: &MessageHeader,
        id: Id,
    ) -> Result<Tried, i32> {
        let entry = &request.entry;
        let multishot = RecvSendFlags(entry.ioprio).contains(RecvSendFlags::RECV_MULTISHOT);
        if !multishot || entry.len != 1 && entry.len != 0 {
            return Err(libc::EINVAL);
        }
        let before = HEADER_BYTES + header.name.len() as usize + header.control.len() as usize;
        loop {
            let room = self.room_in_group(ring, entry.buf_group())? as usize;
            let room = room.checked_sub(before).ok_or(libc::EFAULT)?;
            let Some(message) = self.next_message(request, id)? else {
                return Self::nothing(request, id);
            };
            let (sent, fits) = (message.bytes.len(), message.bytes.len().min(room));
            let bytes = in_buffer(&message, header, (sent, fits));
            let flags = self.fill_message(ring, request, &bytes, id);
            let res = bytes.len() as i32;
            // Linux takes a message without bytes for an end.
            if sent == 0 || self.ends_early(ring) {
                return Ok(Tried::Done(res, flags));
            }
            let user_data = entry.user_data;
            self.post_more(ring, Cqe { user_data, res, flags: flags | CqeFlags::MORE });
        }
    }

    fn fill_message(&mut self, ring: usize, request: &Request, bytes: &[u8], id: Id) -> CqeFlags {
        let flags = self.fill_buffer(ring, request, bytes);
        let more = self.mailbox(id).is_ok_and(|mailbox| mailbox.has_news());
        if more { flags | CqeFlags::SOCK_NONEMPTY } else { flags }
    }
}

/// The address that a receiver sees: that of the way, if the socket is bound to any.
fn seen_as(socket: &Socket) -> Vec<u8> {
    let address = socket_address(&socket.local).ip();
    match address.filter(|address| address.ip().is_unspecified()) {
        Some(address) => loopback(socket.domain, address.port()),
        None => socket.local.clone(),
    }
}

/// What became of a message.
enum Delivery {
    Done,
    /// The receiver, which has no room.
    Full(Id),
    Failed(i32),
}

/// A message as a multishot receive puts it into a buffer.
fn in_buffer(message: &Datagram, header: &MessageHeader, (sent, fits): (usize, usize)) -> Vec<u8> {
    let name = &message.from;
    let flags = if fits < sent { libc::MSG_TRUNC } else { 0 };
    let words = [name.len() as u32, 0, sent as u32, flags as u32];
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    let room = header.name.len() as usize;
    bytes.extend(&name[..name.len().min(room)]);
    bytes.resize(HEADER_BYTES + room + header.control.len() as usize, 0);
    bytes.extend(&message.bytes[..fits]);
    bytes
}
