//! A TLS connection that knows no I/O: bytes in, bytes out.
//!
//! Owns: rustls's connection, what was received of a record that is not whole, what was decrypted
//! and not read, and records that have to be sent. Does not own: a stream, a waker, how ciphers
//! leave bytes where they lie (`in_place`).
//!
//! ```text
//!   leased buffer ── decrypted where it lies ──> plain: the same lease ──> reader
//!        └ the start of a record whose rest has not come ──> partial
//!   writer ──> encrypt ──> the caller's memory        alerts, keys, tickets ──> outgoing
//! ```
//!
//! It is rustls's unbuffered interface: the buffered one copies what is received to memory of its
//! own, which it keeps.
//!
//! Invariants: everything that is whole was decrypted, so `partial` is less than a record or a
//! handshake message; records leave in the order in which they were encrypted, what is in
//! `outgoing` before what is encrypted next; after an error nothing is decrypted or encrypted.

use std::ops::Range;

use annulus::buf::Lease;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

use crate::in_place::{AROUND_BYTES_MAX, HEAD_BYTES, Place, Reading, Sealing};
use crate::plain::Plain;
use crate::sni;

/// The most plaintext of one record.
const RECORD_BYTES: usize = 16 * 1024;
/// Room for what rustls writes where the bytes of records go elsewhere: a head for each of the
/// records of a write, new keys before them; or a close_notify.
const ROOM_BYTES: usize = 128;
/// From so many bytes on, the start of a record is given room for the whole of it.
const LARGE_BYTES: usize = 2048;

/// The two sides of a connection.
pub(crate) enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// See the [module](self).
pub(crate) struct Engine {
    side: Side,
    partial: Vec<u8>,
    plain: Plain,
    outgoing: Vec<u8>,
    error: Option<Error>,
    /// The name that the client asked for (of a server).
    server_name: Option<String>,
    peer_closed: bool,
    closed: bool,
}

/// What rustls wants next.
enum Next {
    /// It goes on with what it has.
    Again,
    /// More bytes of the peer.
    Input,
}

impl Engine {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            partial: Vec::new(),
            plain: Plain::default(),
            outgoing: Vec::new(),
            error: None,
            server_name: None,
            peer_closed: false,
            closed: false,
        }
    }

    /// Takes what the peer sent: decrypts what is whole where it lies, and keeps the rest.
    pub(crate) fn receive(&mut self, mut lease: Lease) {
        while !self.partial.is_empty() && !lease.is_empty() && !self.is_over() {
            let mut partial = std::mem::take(&mut self.partial);
            let more = missing(&partial, &lease);
            partial.extend_from_slice(&lease[..more]);
            lease.advance(more);
            let (used, plain) = self.advance(&mut partial);
            if plain.is_empty() {
                partial.drain(..used);
                self.partial = partial;
            } else {
                self.keep(&partial[used..]);
                self.found(Lease::from(partial), plain);
            }
        }
        if !lease.is_empty() && !self.is_over() {
            let (used, plain) = self.advance(&mut lease);
            self.keep(&lease[used..]);
            self.found(lease, plain);
        }
        if self.is_over() {
            self.partial = Vec::new();
        }
    }

    /// Lets rustls say what it has to say first: the hello of a client.
    pub(crate) fn start(&mut self) {
        self.advance(&mut []);
    }

    /// Nothing that comes counts any more.
    fn is_over(&self) -> bool {
        self.error.is_some() || self.peer_closed
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() || self.is_over() {
            return;
        }
        let whole = whole_len(rest, &[]).filter(|_| rest.len() >= LARGE_BYTES);
        self.partial.reserve_exact(whole.unwrap_or_default().max(rest.len()));
        self.partial.extend_from_slice(rest);
    }

    /// This part of a lease is plaintext.
    fn found(&mut self, mut lease: Lease, plain: Range<usize>) {
        if !plain.is_empty() {
            lease.truncate(plain.end);
            lease.advance(plain.start);
            self.plain.push(lease);
        }
    }

    /// Goes through the records in `bytes`. Gives how many bytes are used up, and where among these
    /// the plaintext lies, which is pushed together.
    fn advance(&mut self, bytes: &mut [u8]) -> (usize, Range<usize>) {
        let (mut used, mut plain) = (0, 0..0);
        loop {
            let (discard, place, next) = self.step(&mut bytes[used..], |_| {});
            used += discard;
            if let Some(place) = place {
                let piece = within(bytes, place);
                assert!(piece.end <= used, "a record that was decrypted is used up");
                if plain.is_empty() {
                    plain = piece;
                } else {
                    let len = piece.len();
                    bytes.copy_within(piece, plain.end);
                    plain.end += len;
                }
            }
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Input) => return (used, plain),
                Err(error) => {
                    self.fail(error);
                    return (used, plain);
                }
            }
        }
    }

    /// One state of rustls. `write` is called in the state in which traffic may be written. Gives
    /// how many bytes are used up, and where there is plaintext in them.
    fn step(
        &mut self,
        bytes: &mut [u8],
        write: impl FnOnce(&mut dyn Encrypt),
    ) -> (usize, Option<Place>, Result<Next, Error>) {
        let reading = Reading::begin();
        let Self { side, plain, outgoing, peer_closed, server_name, .. } = self;
        let sinks = Sinks { reading, plain, outgoing, peer_closed };
        match side {
            Side::Client(connection) => absorb(connection.process_tls_records(bytes), sinks, write),
            Side::Server(connection) if !connection.is_handshaking() => {
                absorb(connection.process_tls_records(bytes), sinks, write)
            }
            Side::Server(connection) => {
                let (status, name) = sni::noting(|| connection.process_tls_records(bytes));
                if name.is_some() {
                    *server_name = name;
                }
                absorb(status, sinks, write)
            }
        }
    }

    /// Remembers the error, and has the alert that goes with it sent.
    fn fail(&mut self, error: Error) {
        self.error = Some(error);
        while self.common().wants_write() {
            let _the_same_error = self.step(&mut [], |_| {});
        }
        self.partial = Vec::new();
    }

    /// Encrypts the bytes. In `out`, whatever was in it, are the records then that are to be sent.
    ///
    /// # Errors
    /// Those of the connection; the cipher has encrypted as much as it safely can.
    pub(crate) fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let records = plain.len() / RECORD_BYTES + 1;
        out.clear();
        out.reserve_exact(self.outgoing.len() + plain.len() + records * AROUND_BYTES_MAX);
        self.write(out, |traffic, room| traffic.encrypt(plain, room))
    }

    /// As [`encrypt`](Self::encrypt), of the close_notify; nothing if it was sent.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        if self.closed {
            return Ok(());
        }
        self.closed = true;
        self.write(out, |traffic, room| traffic.close(room))
    }

    fn write(
        &mut self,
        out: &mut Vec<u8>,
        mut write: impl FnMut(&mut dyn Encrypt, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let mut room = [0; ROOM_BYTES];
        let mut larger = Vec::new();
        loop {
            let room = if larger.is_empty() { &mut room[..] } else { &mut larger };
            let mut written = None;
            let sealing = Sealing::begin(std::mem::take(out));
            let ready = self.until_traffic(|traffic| written = Some(write(traffic, room)));
            let (records, count) = sealing.end();
            *out = records;
            ready?;
            match written {
                Some(Ok(written)) => {
                    // In front of the records there may be new keys. With ciphers that know nothing
                    // of `in_place`, all of it is there.
                    let first = &room[..written - count * HEAD_BYTES];
                    if !self.outgoing.is_empty() || !first.is_empty() {
                        let outgoing = std::mem::take(&mut self.outgoing);
                        out.splice(..0, outgoing.into_iter().chain(first.iter().copied()));
                    }
                    return Ok(());
                }
                Some(Err(EncryptError::InsufficientSize(needed))) => {
                    larger = vec![0; needed.required_size];
                }
                Some(Err(EncryptError::EncryptExhausted)) => return Err(Error::EncryptError),
                None => return Err(Error::HandshakeNotComplete),
            }
        }
    }

    /// Brings rustls to the state in which traffic may be written, or to where it wants input.
    fn until_traffic(&mut self, mut write: impl FnMut(&mut dyn Encrypt)) -> Result<(), Error> {
        let mut partial = std::mem::take(&mut self.partial);
        let done = loop {
            let (used, place, next) = self.step(&mut partial, &mut write);
            if let Some(place) = place {
                let plain = partial[within(&partial, place)].to_vec();
                self.plain.push(Lease::from(plain));
            }
            partial.drain(..used);
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Input) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.partial = partial;
        done.inspect_err(|error| self.fail(error.clone()))
    }

    /// Records that have to be sent, whatever else happens.
    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// These records have to be sent as well, behind those that have to be already.
    pub(crate) fn send_later(&mut self, records: &[u8]) {
        self.outgoing.extend_from_slice(records);
    }

    /// They are sent.
    pub(crate) fn outgoing_sent(&mut self) {
        self.outgoing = Vec::new();
    }

    /// What was decrypted.
    pub(crate) fn plain(&mut self) -> &mut Plain {
        &mut self.plain
    }

    pub(crate) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The peer said that it will send nothing more.
    pub(crate) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// We have said so.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    pub(crate) fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(connection) => connection,
            Side::Server(connection) => connection,
        }
    }
}

/// How long the record is that begins with these bytes and those behind them; none if that has not
/// come.
fn whole_len(bytes: &[u8], behind: &[u8]) -> Option<usize> {
    let byte = |at: usize| bytes.get(at).or_else(|| behind.get(at - bytes.len())).copied();
    Some(HEAD_BYTES + usize::from(u16::from_be_bytes([byte(3)?, byte(4)?])))
}

/// How many bytes of `more` the record lacks that begins with `partial`: all of them if that cannot
/// be told, or if it is whole and what it begins is not.
fn missing(partial: &[u8], more: &[u8]) -> usize {
    let lacks = whole_len(partial, more).and_then(|whole| whole.checked_sub(partial.len()));
    lacks.filter(|&lacks| lacks > 0).map_or(more.len(), |lacks| lacks.min(more.len()))
}

/// Where in these bytes a place is.
fn within(bytes: &[u8], place: Place) -> Range<usize> {
    let start = place.address.wrapping_sub(bytes.as_ptr().addr());
    let end = start.checked_add(place.len).filter(|&end| end <= bytes.len());
    start..end.expect("what was decrypted lies in what was received")
}

/// The state in which traffic may be written, of a client or of a server.
trait Encrypt {
    fn encrypt(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, EncryptError>;
    fn close(&mut self, out: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<D> Encrypt for WriteTraffic<'_, D> {
    fn encrypt(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::encrypt(self, plain, out)
    }

    fn close(&mut self, out: &mut [u8]) -> Result<usize, EncryptError> {
        self.queue_close_notify(out)
    }
}

/// Where what comes of a state goes.
struct Sinks<'a> {
    reading: Reading,
    plain: &'a mut Plain,
    outgoing: &'a mut Vec<u8>,
    peer_closed: &'a mut bool,
}

/// Does what a state asks for. Gives how many bytes are used up, and where there is plaintext.
fn absorb<D>(
    status: UnbufferedStatus<'_, '_, D>,
    Sinks { reading, plain, outgoing, peer_closed }: Sinks<'_>,
    write: impl FnOnce(&mut dyn Encrypt),
) -> (usize, Option<Place>, Result<Next, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let mut place = None;
    let next = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    place = reading.found();
                    if place.is_none() {
                        // A cipher that knows nothing of `in_place`.
                        plain.push(Lease::from(record.payload.to_vec()));
                    }
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Next::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, outgoing);
            Ok(Next::Again)
        }
        Ok(ConnectionState::TransmitTlsData(transmit)) => {
            transmit.done(); // it is in `outgoing`, which comes before all else
            Ok(Next::Again)
        }
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            write(&mut traffic);
            Ok(Next::Input)
        }
        Ok(ConnectionState::PeerClosed) => {
            *peer_closed = true;
            Ok(Next::Again)
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Ok(Next::Input),
        Ok(_) => Err(Error::General("early data came, and none was asked for".to_owned())),
        Err(error) => Err(error),
    };
    (discard, place, next)
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, outgoing: &mut Vec<u8>) {
    let before = outgoing.len();
    let mut room = 0;
    loop {
        outgoing.resize(before + room, 0);
        match data.encode(&mut outgoing[before..]) {
            Ok(written) => return outgoing.truncate(before + written),
            Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => unreachable!("each is encoded once"),
        }
    }
}

#[cfg(test)]
mod tests;
