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

    /// As [`TcpStream::recv`].
    pub fn recv(&self) -> Recv<'_> {
        self.stream.socket().recv()
    }

    /// As [`TcpStream::leases`].
    pub fn leases(&self) -> Leases<'_> {
        self.stream.socket().leases()
    }

    /// As [`TcpStream::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, S> {
        self.stream.socket().read(buf)
    }

    /// As [`TcpStream::read_exact`].
    ///
    /// # Errors
    /// As there.
    pub fn read_exact<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B, S> {
        self.stream.socket().read_exact(buf)
    }

    /// As [`TcpStream::read_vectored`].
    ///
    /// # Errors
    /// As there.
    pub fn read_vectored<V: IoVecBufMut>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V, S> {
        self.stream.socket().read_vectored(bufs)
    }

    /// As [`TcpStream::peek`].
    ///
    /// # Errors
    /// As there.
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, S> {
        self.stream.socket().peek(buf)
    }

    /// As [`TcpStream::with_data`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`TcpStream::write`].
    ///
    /// # Errors
    /// As there.
    pub fn write<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, S> {
        self.stream().socket().send(buf)
    }

    /// As [`TcpStream::write_all`].
    ///
    /// # Errors
    /// As there.
    pub fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B, S> {
        self.stream().socket().write_all(buf)
    }

    /// As [`TcpStream::write_vectored`].
    ///
    /// # Errors
    /// As there.
    pub fn write_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V, S> {
        self.stream().socket().write_vectored(bufs)
    }

    /// As [`TcpStream::write_all_vectored`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`TcpStream::flush`].
    ///
    /// # Errors
    /// As there.
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
