//! A connected pair of Unix stream sockets.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use annulus_ring::Kernel as _;

use super::recv::{Parsed, Recv};
use super::stream::Socket;
use super::{Leases, Polled, Portable, Reader};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf};
use crate::core::stream::Stream;
use crate::core::with_any;
use crate::op::OpExt;

/// A Unix stream socket. Its methods are those of [`TcpStream`](super::TcpStream), with the same
/// rules.
#[derive(Debug)]
pub struct UnixStream {
    socket: Socket,
}

impl UnixStream {
    /// Two sockets connected to each other.
    ///
    /// # Errors
    /// Those of socketpair(2); an error that says so if no runtime runs on this thread.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::UnixStream;
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// left.write_all("ping").await?;
    /// let ((), got) = right.read_exact(vec![0; 4]).await?;
    /// assert_eq!(got, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let [left, right] = with_any(|core| {
            core.state.borrow_mut().ring.kernel().socketpair(libc::AF_UNIX, kind, 0)
        })??;
        let [left, right] = [left, right].map(|fd| Socket::adopt(fd, Stream::of_unix()));
        Ok((Self { socket: left? }, Self { socket: right? }))
    }

    /// As [`TcpStream::recv`](super::TcpStream::recv).
    pub fn recv(&self) -> Recv<'_> {
        self.socket.recv()
    }

    /// As [`TcpStream::leases`](super::TcpStream::leases).
    pub fn leases(&self) -> Leases<'_> {
        self.socket.leases()
    }

    /// As [`TcpStream::polled`](super::TcpStream::polled).
    pub fn polled(&self) -> Polled {
        self.socket.polled()
    }

    /// As [`TcpStream::read`](super::TcpStream::read).
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf)
    }

    /// As [`TcpStream::read_exact`](super::TcpStream::read_exact).
    pub fn read_exact<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.read_exact(buf)
    }

    /// As [`TcpStream::with_data`](super::TcpStream::with_data).
    pub async fn with_data<F>(&self, parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.socket.with_data(parse).await
    }

    /// As [`TcpStream::reader`](super::TcpStream::reader).
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.socket)
    }

    /// As [`TcpStream::write`](super::TcpStream::write).
    pub fn write<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(buf)
    }

    /// As [`TcpStream::write_all`](super::TcpStream::write_all).
    pub fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.write_all(buf)
    }

    /// As [`TcpStream::write_all_vectored`](super::TcpStream::write_all_vectored).
    pub fn write_all_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V> {
        self.socket.write_all_vectored(bufs)
    }

    /// As [`TcpStream::send_nowait`](super::TcpStream::send_nowait).
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_nowait(bytes)
    }

    /// As [`TcpStream::flush`](super::TcpStream::flush).
    pub fn flush(&self) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.socket.room(Some(0))
    }

    /// As [`TcpStream::shutdown`](super::TcpStream::shutdown).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// As [`TcpStream::into_std`](super::TcpStream::into_std).
    pub async fn into_std(self) -> Result<std::os::unix::net::UnixStream, BufError<Self>> {
        let detached = self.socket.detach().await;
        let fd = detached.map_err(|error| error.map_buf(|socket| Self { socket }))?;
        let stream = std::os::unix::net::UnixStream::from(fd);
        stream.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(stream)
    }

    /// As [`TcpStream::from_std`](super::TcpStream::from_std).
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { socket: Socket::from_fd(stream.into(), Stream::of_unix())? })
    }

    /// As [`TcpStream::into_portable`](super::TcpStream::into_portable).
    ///
    /// # Errors
    /// As there.
    pub async fn into_portable(self) -> Result<Portable<Self>, BufError<Self>> {
        let parts = self.socket.into_parts().await;
        parts.map(Portable::new).map_err(|error| error.map_buf(Self::from_socket))
    }

    pub(super) fn from_socket(socket: Socket) -> Self {
        Self { socket }
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.owned.as_fd()
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.owned.raw_fd()
    }
}
