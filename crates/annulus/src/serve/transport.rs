//! What carries the bytes of a connection: a socket, or a layer above one.
//!
//! Owns: the seam where TLS and the like plug in. Does not own: any such layer, nor sockets.
//!
//! Invariant: a layer is locked for the length of one poll and never across an await, so a reader
//! and a writer of one connection go on side by side.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::shared::lock;
use crate::buf::Lease;
use crate::net::{Socket, TcpStream, UnixStream};

/// A layer above a TCP connection, for one connection: it turns its bytes into others.
///
/// Reading and writing are polled by two tasks at most, one each, and each with a waker of its own:
/// what [`TcpStream::polled`] gives keeps the two apart. Nothing of the caller's is borrowed beyond
/// a poll.
pub trait Transport: Send + 'static {
    /// The next bytes; `None` when the peer has said that there are no more. A connection that
    /// merely broke off is an error.
    ///
    /// # Errors
    /// What ended the connection.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>>;

    /// Takes as many of the bytes as there is room for, at least one; waits for room if there is
    /// none. They are sent without a further call.
    ///
    /// # Errors
    /// That of an earlier send.
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>])
    -> Poll<io::Result<usize>>;

    /// Takes all of the bytes, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if too many wait already: nothing was taken.
    fn send_nowait(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until all that was taken is with the kernel.
    ///
    /// # Errors
    /// That of a send.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that there will be no more bytes, and ends the sending direction.
    ///
    /// # Errors
    /// That of a send.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

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
}

impl Layered {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self { transport: Mutex::new(transport), unread: Mutex::new(None) }
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut dyn Transport) -> T) -> T {
        f(&mut **lock(&self.transport))
    }

    /// What was left, else the next bytes.
    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        match lock(&self.unread).take() {
            Some(unread) => Poll::Ready(Ok(Some(unread))),
            None => self.with(|transport| transport.poll_recv(cx)),
        }
    }

    pub(super) fn give_back(&self, lease: Lease) {
        let mut unread = lock(&self.unread);
        *unread = Some(match unread.take() {
            None => lease,
            Some(behind) => lease.joined(&behind),
        });
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
