//! What a connection receives.
//!
//! Owns: `with_data`, `parse` and `recv`, with the limits of time and length. Invariant: a byte
//! that no parser consumed is there for the next call, unless the connection has ended.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use super::super::transport::{Carrier, Layered, Plain};
use super::{Conn, Ended, Inner, Limit as _, STOPPING};
use crate::buf::Lease;
use crate::net::{Held, Parsed, Polled, Socket};
use crate::time::{Sleep, sleep, timeout};

impl Conn {
    /// Hands received bytes to `parse` until it consumes some. Gives how many it consumed; 0 when
    /// there are no more, and [`ended`](Self::ended) says why.
    ///
    /// | `parse` says | |
    /// |---|---|
    /// | [`Parsed::Consumed(n)`](Parsed::Consumed) | the first `n` bytes are used up, the others come again at the next call |
    /// | [`Parsed::NeedMore`] | `parse` is called again when there is more |
    /// | [`Parsed::NeedAtLeast(n)`](Parsed::NeedAtLeast) | `parse` is called again when there are `n` bytes |
    ///
    /// | it gives 0, and `ended` is | because |
    /// |---|---|
    /// | [`Ended::Eof`] | the peer has ended its direction; sending goes on |
    /// | [`Ended::CutOff`] | so it has, with bytes that `parse` did not consume: they are dropped |
    /// | [`Ended::TooLong`] | `parse` wants more than [`message_bytes_max`](super::super::Config::message_bytes_max) |
    /// | [`Ended::TimedOut`] | [`read_timeout`](super::super::Config::read_timeout); what came stays |
    /// | [`Ended::Stopping`] | the server is to stop, and nothing has come |
    /// | any other | the connection is over |
    ///
    /// `parse` may call [`send_nowait`](Self::send_nowait). While more is queued than may be,
    /// `parse` is not called: a peer that does not read is not read from.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what `parse` did not consume comes again at the next
    /// call.
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](crate::net::TcpStream::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// use annulus::net::Parsed;
    ///
    /// peer.write_all("ping").await?;
    /// let n = conn.with_data(|bytes| Parsed::Consumed(bytes.len())).await;
    /// assert_eq!(n, 4);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "WithDataFuture")]
    pub async fn with_data<F>(&self, parse: F) -> usize
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.parse(parse).await.unwrap_or(0)
    }

    /// As [`with_data`](Self::with_data), and what went wrong is an error: 0 means the end of the
    /// stream, or that the server is to stop, between two messages.
    ///
    /// # Errors
    /// `UnexpectedEof` for [`Ended::CutOff`], `InvalidData` for [`Ended::TooLong`], `TimedOut`,
    /// `NotConnected` after [`close`](Self::close), those of recv(2).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what `parse` did not consume comes again at the next
    /// call.
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](crate::net::TcpStream::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// use annulus::net::Parsed;
    ///
    /// peer.write_all("ping").await?;
    /// let n = conn.parse(|bytes| Parsed::Consumed(bytes.len())).await?;
    /// assert_eq!(n, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn parse<F>(&self, parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        let parsed = match self.inner.read_ns.limit() {
            None => self.parse_now(parse).await,
            Some(bound) => match timeout(bound, self.parse_now(parse)).await {
                Ok(parsed) => parsed,
                Err(_over) => Err(Ended::TimedOut),
            },
        };
        self.told_apart(parsed)
    }

    async fn parse_now<F>(&self, mut parse: F) -> Result<usize, Ended>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        let inner = &*self.inner;
        if let Some(ended) = inner.ended_here() {
            return Err(ended);
        }
        let mut source = match &inner.carrier {
            Carrier::Plain(plain) => {
                let socket = plain.socket();
                if !self.has_room(socket) {
                    self.room().await.map_err(|error| failed(&error))?;
                }
                Source::Plain(Held::new(socket))
            }
            Carrier::Layered(layered) => {
                if !layered.with(|transport| transport.has_room()) {
                    self.room().await.map_err(|error| failed(&error))?;
                }
                Source::Layered(Unread { layered, places: layered.places(), bytes: None })
            }
        };
        let (most, mut wanted) = (self.message_bytes_max(), 1);
        loop {
            if !source.fill(inner).await? {
                return source.end(inner);
            }
            let len = source.bytes().len();
            if len < wanted {
                continue;
            }
            match parse(source.bytes()) {
                Parsed::Consumed(n) if n > 0 => {
                    source.consume(n);
                    return Ok(n);
                }
                Parsed::Consumed(_) | Parsed::NeedMore => wanted = len + 1,
                Parsed::NeedAtLeast(n) => wanted = n.max(len + 1),
            }
            if wanted > most {
                source.discard();
                return Err(Ended::TooLong);
            }
        }
    }

    /// The next bytes, where the kernel put them; `None` at the end of the stream, and when the
    /// server is to stop and nothing has come.
    ///
    /// A lease can be sent on as it is ([`send`](Self::send)), here or on another connection.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](crate::net::TcpStream::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// peer.write_all("ping").await?;
    /// let lease = conn.recv().await?.expect("bytes");
    /// assert_eq!(&*lease, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&self) -> io::Result<Option<Lease>> {
        let received = match self.inner.read_ns.limit() {
            None => self.recv_now().await,
            Some(bound) => match timeout(bound, self.recv_now()).await {
                Ok(received) => received,
                Err(_over) => Err(Ended::TimedOut),
            },
        };
        match received {
            Ok(lease) => Ok(Some(lease)),
            Err(ended) => self.told_apart(Err(ended)).map(|_: usize| None),
        }
    }

    async fn recv_now(&self) -> Result<Lease, Ended> {
        let inner = &*self.inner;
        if let Some(ended) = inner.ended_here() {
            return Err(ended);
        }
        let mut grace = None;
        let received = match &inner.carrier {
            Carrier::Plain(plain) => {
                let mut recv = plain.socket().recv();
                poll_fn(|cx| {
                    let received = Pin::new(&mut recv).poll(cx);
                    inner.unless_stopping(received, &mut grace, cx)
                })
                .await?
            }
            Carrier::Layered(layered) => {
                let mut places = layered.places();
                poll_fn(|cx| {
                    let received = layered.poll_recv(&mut places, cx);
                    inner.unless_stopping(received, &mut grace, cx)
                })
                .await?
            }
        };
        match received {
            Ok(Some(lease)) => {
                inner.is_active();
                Ok(lease)
            }
            Ok(None) => Err(inner.ended_here().unwrap_or(Ended::Eof)),
            Err(error) => Err(inner.ended_here().unwrap_or_else(|| failed(&error))),
        }
    }

    /// Notes why there are no bytes. The end of the stream and that of the server are no errors.
    fn told_apart(&self, result: Result<usize, Ended>) -> io::Result<usize> {
        match result {
            Ok(n) => Ok(n),
            Err(ended) => {
                self.inner.note(ended);
                match ended {
                    Ended::Eof | Ended::Stopping => Ok(0),
                    ended => Err(ended.error()),
                }
            }
        }
    }

    fn message_bytes_max(&self) -> usize {
        let permit = self.inner.name.permit.as_ref();
        permit.map_or(16 << 20, |permit| permit.shared().config.message_bytes_max)
    }

    /// Whether fewer bytes are queued than may be.
    #[inline]
    fn has_room(&self, socket: &Socket) -> bool {
        // ORDERING: Relaxed; a hint of this core.
        socket.has_room_below(self.inner.high_bytes.load(Ordering::Relaxed))
    }
}

/// Where a parser's bytes are.
enum Source<'a> {
    Plain(Held<'a>),
    Layered(Unread<'a>),
}

/// Bytes of a layer; what is left goes back when dropped.
struct Unread<'a> {
    layered: &'a Layered,
    places: Polled,
    bytes: Option<Lease>,
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        if let Some(rest) = self.bytes.take().filter(|rest| !rest.is_empty()) {
            self.layered.give_back(rest);
        }
    }
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(held) => held.bytes(),
            Self::Layered(unread) => unread.bytes.as_deref().unwrap_or(&[]),
        }
    }

    /// Waits for more bytes and appends them. False at the end of the stream.
    async fn fill(&mut self, inner: &Inner) -> Result<bool, Ended> {
        let mut grace = None;
        let filled = poll_fn(|cx| {
            let filled = self.poll_fill(cx);
            // Who has a part of a message is not hurried.
            if filled.is_pending() && !self.bytes().is_empty() {
                return Poll::Pending;
            }
            inner.unless_stopping(filled, &mut grace, cx)
        })
        .await?;
        if let Ok(true) = filled {
            inner.is_active();
        }
        filled.map_err(|error| inner.ended_here().unwrap_or_else(|| failed(&error)))
    }

    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match self {
            Self::Plain(held) => held.poll_fill(cx),
            Self::Layered(Unread { layered, places, bytes }) => {
                layered.poll_recv(places, cx).map_ok(|more| {
                    let Some(more) = more else { return false };
                    *bytes = Some(match bytes.take() {
                        None => more,
                        Some(before) => before.joined(&more),
                    });
                    true
                })
            }
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::Plain(held) => held.consume(n),
            Self::Layered(unread) => {
                if let Some(bytes) = &mut unread.bytes {
                    bytes.advance(n);
                }
            }
        }
    }

    fn discard(&mut self) {
        match self {
            Self::Plain(held) => held.discard(),
            Self::Layered(unread) => unread.bytes = None,
        }
    }

    /// No more will come.
    fn end(&mut self, inner: &Inner) -> Result<usize, Ended> {
        let rest = self.bytes().len();
        self.discard();
        let cut_off = || Ended::CutOff(u32::try_from(rest).unwrap_or(u32::MAX));
        let ended = if rest == 0 { Ended::Eof } else { cut_off() };
        Err(inner.ended_here().unwrap_or(ended))
    }
}

impl Inner {
    /// A wait for a message, which is short once the server is to stop.
    #[inline]
    fn unless_stopping<T>(
        &self,
        polled: Poll<T>,
        grace: &mut Option<Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, Ended>> {
        match polled {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.told() & STOPPING == 0 => Poll::Pending,
            Poll::Pending => self.poll_grace(grace, cx).map(Err),
        }
    }

    #[cold]
    fn poll_grace(&self, grace: &mut Option<Sleep>, cx: &mut Context<'_>) -> Poll<Ended> {
        let bound = match &self.name.permit {
            Some(permit) => permit.shared().config.idle_on_stop,
            None => Duration::MAX,
        };
        if bound == Duration::MAX {
            return Poll::Pending;
        }
        let grace = grace.get_or_insert_with(|| sleep(bound));
        pin!(grace).poll(cx).map(|()| Ended::Stopping)
    }
}

fn failed(error: &io::Error) -> Ended {
    Ended::Failed(error.raw_os_error().unwrap_or_default())
}

impl Plain {
    /// Whether two connections can be joined in the kernel.
    pub(super) fn as_tcp(&self) -> Option<&crate::net::TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Unix(_) => None,
        }
    }
}
