//! The two directions of a connection, each owned by a task of its own.
//!
//! Owns: the halves, and that the sending direction ends with its half. Does not own: what reading
//! and sending are (`stream`), halves of any other kind of stream
//! ([`io::split`](crate::io::split)).
//!
//! Invariant: the connection is dropped with the later half.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use super::recv::{Parsed, Recv};
use super::stream::Socket;
use super::{Leases, Reader, TcpStream, UnixStream};
use crate::buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, Lease};
use crate::io::{AsyncRead, AsyncWrite};
use crate::op::OpExt;

/// A connection that has halves. This trait is sealed.
pub(super) trait Connected {
    fn socket(&self) -> &Socket;
}

/// The receiving half of a connection; see [`TcpStream::into_split`].
///
/// Dropping it ends nothing: what arrives stays with the connection until the other half is gone,
/// too.
pub struct OwnedReadHalf<S> {
    stream: Arc<S>,
}

/// The sending half of a connection; see [`TcpStream::into_split`].
///
/// Dropping it ends the sending direction, as [`shutdown`](TcpStream::shutdown) with
/// [`Shutdown::Write`](std::net::Shutdown::Write) does: what was accepted is sent first.
/// [`forget`](Self::forget) leaves the direction open.
pub struct OwnedWriteHalf<S: Halved> {
    /// `None` once it is forgotten or reunited.
    stream: Option<Arc<S>>,
}

/// The connections that can be split: [`TcpStream`] and [`UnixStream`]. This trait is sealed.
#[allow(private_bounds, reason = "the private bound seals it")]
pub trait Halved: Connected {}

impl Halved for TcpStream {}
impl Halved for UnixStream {}

/// The two halves are not of one connection; they are inside.
pub struct ReuniteError<S: Halved>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

pub(super) fn split<S: Halved>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    (OwnedReadHalf { stream: Arc::clone(&stream) }, OwnedWriteHalf { stream: Some(stream) })
}

impl<S: Halved> OwnedReadHalf<S> {
    /// The connection again.
    ///
    /// # Errors
    /// Both halves, if they are not of one connection.
    pub fn reunite(self, other: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !std::ptr::eq(&*self.stream, other.as_ref()) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        let Ok(stream) = Arc::try_unwrap(self.stream) else {
            unreachable!("a connection has two halves, and the other one is gone");
        };
        Ok(stream)
    }

    /// The next bytes, leased where the kernel put them; `None` when the peer has ended its
    /// direction.
    ///
    /// # Errors
    /// `ConnectionReset`, … once; later calls give `None`. Use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// `RECV` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled. One request serves
    /// any number of messages.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// right.write_all("ping").await?;
    /// let lease = reader.recv().await?.expect("bytes");
    /// assert_eq!(&*lease, b"ping");
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&self) -> Recv<'_> {
        self.stream.socket().recv()
    }

    /// The received bytes as a stream of leases, which ends when the peer has ended its direction.
    ///
    /// # Errors
    /// Items are what [`recv`](Self::recv) gives.
    ///
    /// # Cancel safety
    /// Dropping the stream loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// use futures_util::TryStreamExt as _;
    ///
    /// right.write_all("ping").await?;
    /// let lease = reader.leases().try_next().await?.expect("bytes");
    /// assert_eq!(&*lease, b"ping");
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn leases(&self) -> Leases<'_> {
        self.stream.socket().leases()
    }

    /// Reads into `buf`, from its start up to its capacity. Gives the number of bytes, 0 at the
    /// end.
    ///
    /// # Errors
    /// `ConnectionReset`, … once, with the buffer; `InvalidInput` for a buffer without capacity;
    /// use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, but not the bytes: what arrives late is given to the
    /// next reader.
    ///
    /// # Kernel
    /// `RECV`, 5.6, straight into the buffer; polled. If a leased receive is armed already, its
    /// bytes are copied.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// right.write_all("ping").await?;
    /// let (n, buf) = reader.read(vec![0; 64]).await?;
    /// assert_eq!(&buf[..n], b"ping");
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, S> {
        self.stream.socket().read(buf)
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// As [`read`](Self::read); `UnexpectedEof` if the stream ends before, with what was read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes that it had taken go back to the front.
    ///
    /// # Kernel
    /// As [`read`](Self::read), as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// right.write_all("ping pong").await?;
    /// let ((), word) = reader.read_exact(vec![0; 4]).await?;
    /// assert_eq!(word, b"ping");
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_exact<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B, S> {
        self.stream.socket().read_exact(buf)
    }

    /// Reads into several buffers, one after the other, each up to its capacity: what is there, at
    /// most as much as they have room for. Gives the number of bytes, 0 at the end.
    ///
    /// # Errors
    /// As [`read`](Self::read), with the buffers.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffers, and loses no byte.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv), and a copy: the kernel lends one buffer, and its bytes are dealt
    /// out.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// right.write_all("headbody").await?;
    /// let (n, (head, body)) = reader.read_vectored((vec![0; 4], vec![0; 64])).await?;
    /// assert_eq!((n, &head[..], &body[..4]), (8, &b"head"[..], &b"body"[..]));
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_vectored<V: IoVecBufMut>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V, S> {
        self.stream.socket().read_vectored(bufs)
    }

    /// Copies what is there into `buf` and leaves it there: the next read gives it again. Waits if
    /// there is nothing yet; gives 0 at the end.
    ///
    /// # Errors
    /// As [`read`](Self::read). The error stays, too: the next read gives it again.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, and loses no byte.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv), and a copy.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// right.write_all("ping").await?;
    /// let (n, _) = reader.peek(vec![0; 64]).await?;
    /// let (m, _) = reader.read(vec![0; 64]).await?;
    /// assert_eq!((n, m), (4, 4));
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, S> {
        self.stream.socket().peek(buf)
    }

    /// Hands received bytes to `parse` until it consumes some. Gives how many it consumed; 0 means
    /// that the peer has ended its direction and nothing is left. While too many bytes of
    /// `send_nowait` wait to be sent, `parse` is not called: see [`TcpStream::with_data`].
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `UnexpectedEof` if the stream ends in bytes that `parse` did not
    /// consume; the error of an earlier send that failed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what `parse` did not consume goes back to the front of
    /// the queue.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// use annulus::net::Parsed;
    ///
    /// right.write_all("ping").await?;
    /// let n = reader.with_data(|bytes| Parsed::Consumed(bytes.len())).await?;
    /// assert_eq!(n, 4);
    /// # drop(writer);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_data<F>(&self, parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.stream.socket().with_data(parse).await
    }

    /// As [`TcpStream::reader`].
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self.stream.socket())
    }
}

impl<S: Halved> OwnedWriteHalf<S> {
    /// The connection again, as [`OwnedReadHalf::reunite`] gives it.
    ///
    /// # Errors
    /// Both halves, if they are not of one connection.
    pub fn reunite(self, other: OwnedReadHalf<S>) -> Result<S, ReuniteError<S>> {
        other.reunite(self)
    }

    /// Gives up the half without ending the sending direction, which ends when the connection is
    /// closed.
    pub fn forget(mut self) {
        drop(self.stream.take());
    }

    fn stream(&self) -> &S {
        self.stream.as_deref().expect("a half has its stream until it is consumed")
    }

    /// Sends bytes of `buf`, and gives how many were sent: all of them, unless the connection fails
    /// on the way.
    ///
    /// # Errors
    /// `BrokenPipe`, `ConnectionReset`, …, with the buffer; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the bytes back: they stay in the send queue.
    ///
    /// # Kernel
    /// `SEND` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.6; inline if the socket has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// let (n, _) = writer.write("ping").await?;
    /// assert_eq!(n, 4);
    /// # drop((reader, right));
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, S> {
        self.stream().socket().send(buf)
    }

    /// Sends all bytes of `buf`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// As [`write`](Self::write), and again for the rest if it came short.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// writer.write_all("ping").await?;
    /// let ((), got) = right.read_exact(vec![0; 4]).await?;
    /// assert_eq!(got, b"ping");
    /// # drop(reader);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B, S> {
        self.stream().socket().write_all(buf)
    }

    /// Sends bytes of several buffers, one after the other, and gives how many were sent: all of
    /// them, unless the connection fails on the way.
    ///
    /// # Errors
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// let (n, _bufs) = writer.write_vectored(("head", vec![0; 60])).await?;
    /// assert_eq!(n, 64);
    /// # drop((reader, right));
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V, S> {
        self.stream().socket().write_vectored(bufs)
    }

    /// Sends all bytes of several buffers, one after the other, in one request: a head and a body
    /// of different types, for instance, without copying either.
    ///
    /// # Errors
    /// As [`write`](Self::write), with the buffers; `InvalidInput` for more than 1024 of them.
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// `SENDMSG` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.3; inline if the socket has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// writer.write_all_vectored(("head", b"body".to_vec())).await?;
    /// let ((), got) = right.read_exact(vec![0; 8]).await?;
    /// assert_eq!(got, b"headbody");
    /// # drop(reader);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V, S> {
        self.stream().socket().write_all_vectored(bufs)
    }

    /// As [`TcpStream::send_nowait`].
    ///
    /// # Errors
    /// As there.
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.stream().socket().send_nowait(bytes)
    }

    /// Waits until everything that `send_nowait` queued has been given to the kernel's socket.
    ///
    /// # Errors
    /// The error of a send that failed; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what was queued is sent.
    ///
    /// # Kernel
    /// No request of its own: it waits for the sends that are queued.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let (reader, writer) = left.into_split();
    /// writer.send_nowait(b"ping")?;
    /// writer.flush().await?;
    /// # drop((reader, right));
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&self) -> impl OpExt<Output = io::Result<()>> + use<'_, S> {
        self.stream().socket().room(Some(0))
    }

    /// Ends the sending direction, behind what was accepted, as dropping the half does.
    ///
    /// # Errors
    /// As [`TcpStream::shutdown`].
    pub fn shutdown(&self) -> io::Result<()> {
        self.stream().socket().shutdown(std::net::Shutdown::Write)
    }
}

impl<S: Halved> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.socket().end_sending();
        }
    }
}

/// The connection, for what is not reading: its addresses, its options.
impl<S> AsRef<S> for OwnedReadHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

/// The connection, for what is not writing: its addresses, its options.
impl<S: Halved> AsRef<S> for OwnedWriteHalf<S> {
    fn as_ref(&self) -> &S {
        self.stream()
    }
}

impl<S: Halved> AsyncRead for OwnedReadHalf<S> {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        Self::read(self, buf)
    }

    fn recv(&mut self) -> impl Future<Output = io::Result<Option<Lease>>> {
        Self::recv(self)
    }

    fn read_exact<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        Self::read_exact(self, buf)
    }
}

impl<S: Halved> AsyncWrite for OwnedWriteHalf<S> {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        Self::write(self, buf)
    }

    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        Self::flush(self)
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Self::shutdown(self)
    }

    fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        Self::write_all(self, buf)
    }

    fn write_all_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl Future<Output = BufResult<(), V>> {
        Self::write_all_vectored(self, bufs)
    }
}

impl<S: fmt::Debug> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReadHalf").field(&self.stream).finish()
    }
}

impl<S: Halved + fmt::Debug> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedWriteHalf").field(&self.stream).finish()
    }
}

impl<S: Halved> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReuniteError(..)")
    }
}

impl<S: Halved> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of one connection")
    }
}

impl<S: Halved> std::error::Error for ReuniteError<S> {}
