//! What carries the bytes of a connection: a socket, or a layer above one.
//!
//! Owns: the seam where TLS and the like plug in. Does not own: any such layer, nor sockets.
//!
//! Invariants: a layer is locked for the length of one poll and never across an await, so a reader
//! and a writer of one connection go on side by side. Who sends several pieces sends them in one
//! go.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::shared::lock;
use crate::buf::Lease;
use crate::core::stock::Stock;
use crate::net::{Polled, Socket, TcpStream, UnixStream};

/// A layer above a TCP connection, for one connection: it turns its bytes into others.
///
/// Each wait of a task has `places` of its own in the queues of the connection below, which
/// [`TcpStream::polled`] gave: any number of tasks wait at a time, and each is woken. Nothing of
/// the caller's is borrowed beyond a poll.
pub trait Transport: Send + 'static {
    /// The next bytes; `None` when the peer has said that there are no more. A connection that
    /// merely broke off is an error.
    ///
    /// # Errors
    /// What ended the connection.
    fn poll_recv(
        &mut self,
        places: &mut Polled,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>>;

    /// Takes as many of the bytes as there is room for, at least one; waits for room if there is
    /// none. They are sent without a further call.
    ///
    /// # Errors
    /// That of an earlier send.
    fn poll_write(
        &mut self,
        places: &mut Polled,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Whether [`send_nowait`](Self::send_nowait) has room.
    fn has_room(&self) -> bool;

    /// Waits until there is room for a byte.
    ///
    /// # Errors
    /// That of an earlier send.
    fn poll_room(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Takes all of the bytes, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if too many wait already: nothing was taken.
    fn send_nowait(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until all that was taken is with the kernel.
    ///
    /// # Errors
    /// That of a send.
    fn poll_flush(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that there will be no more bytes, waits until that and all that was taken is with the
    /// kernel, and ends the sending direction.
    ///
    /// # Errors
    /// That of a send.
    fn poll_finish(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that there will be no more bytes, behind what was taken, without waiting: the
    /// connection below is closed next. Dropping does the same.
    fn close(&mut self);

    /// The connection below.
    fn tcp(&self) -> &TcpStream;

    /// What is known of the layer, for [`Conn::info`](super::Conn::info): of TLS the protocol, the
    /// name that was asked for, the client's certificate.
    fn info(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// What [`Layer::wrap`] gives: the layer once its handshake is done.
pub type Wrapping = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>>>>;

/// Puts a [`Transport`] above each connection of a listener.
pub trait Layer: Send + Sync + 'static {
    /// Shakes hands. It runs in the connection's own task, bounded by
    /// [`Config::handshake_timeout`](super::Config::handshake_timeout); an error closes the
    /// connection, and is counted.
    fn wrap(&self, stream: TcpStream) -> Wrapping;
}

/// A socket.
#[derive(Debug)]
pub(super) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Plain {
    #[inline]
    pub(super) fn socket(&self) -> &Socket {
        match self {
            Self::Tcp(stream) => stream.socket(),
            Self::Unix(stream) => stream.socket(),
        }
    }
}

/// What carries the bytes.
pub(super) enum Carrier {
    Plain(Plain),
    Layered(Layered),
}

/// A layer, and what a parser has left of its bytes.
pub(super) struct Layered {
    transport: Mutex<Box<dyn Transport>>,
    unread: Mutex<Option<Lease>>,
    /// One, of those who send.
    turns: Stock<()>,
}

impl Layered {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        let turns = Stock::new(vec![()]);
        Self { transport: Mutex::new(transport), unread: Mutex::default(), turns }
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut dyn Transport) -> T) -> T {
        f(&mut **lock(&self.transport))
    }

    /// For one wait.
    pub(super) fn places(&self) -> Polled {
        self.with(|transport| transport.tcp().polled())
    }

    /// What was left, else the next bytes.
    pub(super) fn poll_recv(
        &self,
        places: &mut Polled,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>> {
        match lock(&self.unread).take() {
            Some(unread) => Poll::Ready(Ok(Some(unread))),
            None => self.with(|transport| transport.poll_recv(places, cx)),
        }
    }

    /// The turn to send, behind all who asked for it before. It ends when it is dropped.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let mut wait = self.turns.wait();
        poll_fn(|cx| wait.poll(cx)).await;
        Turn(&self.turns)
    }

    pub(super) fn give_back(&self, lease: Lease) {
        let mut unread = lock(&self.unread);
        *unread = Some(match unread.take() {
            None => lease,
            Some(behind) => lease.joined(&behind),
        });
    }
}

/// The turn of one who sends through a layer.
pub(super) struct Turn<'a>(&'a Stock<()>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.give_back(());
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => plain.fmt(f),
            Self::Layered(layered) => layered.with(|transport| {
                f.debug_struct("Layered").field("above", transport.tcp()).finish_non_exhaustive()
            }),
        }
    }
}
