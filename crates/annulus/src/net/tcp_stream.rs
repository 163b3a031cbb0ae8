//! A TCP connection.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::connect::Connecting;
use super::halves::Connected;
use super::stream::{Socket, ip_address};
use super::{OwnedReadHalf, OwnedWriteHalf, Portable, ToAddress};
use crate::buf::BufError;
use crate::core::Owned;
use crate::core::key::Handle;
use crate::core::stream::Stream;
use crate::op::OpExt;

mod receiving;
mod sending;

/// A TCP connection.
///
/// All methods take `&self`: one task may read while another writes. The handle is `Send + Sync`,
/// but its operations run on the core that made it; [`into_portable`](Self::into_portable) moves
/// the connection to another.
///
/// # Reading
/// [`recv`](Self::recv) leases what arrived where the kernel put it: nothing is copied, and a
/// connection that is idle holds no buffer. [`read`](Self::read) fills a buffer of yours.
/// [`with_data`](Self::with_data) hands the bytes to a parser. They may be mixed; waiting readers
/// are served in the order in which they came.
///
/// # Writing
/// Sends queue up one behind the other, so bytes of two tasks never interleave within a call.
/// Dropping the future of a send does not take its bytes back. Dropping the handle sends what was
/// accepted (for at most [`close_flush`](crate::runtime::Builder::close_flush)), then closes.
///
/// Closing with received bytes unread resets the connection, as TCP has it, and the peer may then
/// lose an answer that it has not read yet: read to the end, or shut the sending direction down and
/// read on, where that matters.
///
/// # Forgetting
/// `mem::forget` of a future that waits is sound, but keeps its place in the queue: later readers
/// of the same stream wait behind it for ever.
///
/// # Half-close
/// The end of one direction does not end the other: after `recv` gave `None`, sending still works,
/// and after `shutdown(Shutdown::Write)` receiving does.
#[derive(Debug)]
pub struct TcpStream {
    socket: Socket,
}

impl TcpStream {
    pub(super) fn adopt(fd: RawFd) -> io::Result<Self> {
        Self::adopt_into(fd, 0)
    }

    /// With the group of buffers that it receives into.
    pub(super) fn adopt_into(fd: RawFd, group: u8) -> io::Result<Self> {
        let mut stream = Stream::new();
        stream.recv.group = group;
        Ok(Self { socket: Socket::adopt(fd, stream)? })
    }

    /// Connects, to an address or to a host by its name.
    ///
    /// A name is [looked up](super::lookup_host). Of several addresses the families take turns: the
    /// next one is tried when one has failed, and also when it has not answered within 250 ms; the
    /// first that answers wins ("Happy Eyeballs", RFC 8305).
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `HostUnreachable`, …, of several addresses that of the
    /// last; those of [`lookup_host`](super::lookup_host).
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempts and closes their sockets.
    ///
    /// # Kernel
    /// socket(2), then `CONNECT`, 5.5; polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// let stream = TcpStream::connect(address).await?;
    /// assert_eq!(stream.peer_addr()?, address);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<A: ToAddress>(address: A) -> impl OpExt<Output = io::Result<Self>> + use<A> {
        Connecting::Idle(address.to_destination())
    }

    /// Connects, within so much time.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut` if the time was over first. An attempt that
    /// succeeds while it is being given up gives its connection all the same.
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    ///
    /// # Kernel
    /// As [`connect`](Self::connect), with a timer of the core and `ASYNC_CANCEL`, 5.5, if it
    /// fires.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// use std::time::Duration;
    ///
    /// let stream = TcpStream::connect_timeout(address, Duration::from_secs(5)).await?;
    /// assert_eq!(stream.peer_addr()?, address);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_timeout<A: ToAddress>(
        address: A,
        duration: Duration,
    ) -> impl OpExt<Output = io::Result<Self>> + use<A> {
        Self::connect(address).timeout(duration)
    }

    /// Ends one direction or both.
    ///
    /// What was accepted before, by `send_nowait` or by sends whose futures are gone, is still
    /// sent; the sending direction ends behind it. Sends after this are refused with `BrokenPipe`.
    ///
    /// # Errors
    /// Those of shutdown(2): `NotConnected`.
    ///
    /// # Kernel
    /// shutdown(2): a system call, because the ring would take five times as long.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// Receives into buffers of another pool from now on: 0 is the default one, the others are
    /// those of [`Builder::receive_pool`](crate::runtime::Builder::receive_pool), counted from 1.
    /// Leases of the former pool stay what they are.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such pool; use on a foreign core.
    ///
    /// # Kernel
    /// A receive that is armed is cancelled, and armed again with the other group.
    pub fn set_receive_pool(&self, pool: usize) -> io::Result<()> {
        self.socket.set_receive_pool(pool)
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_address(&self.socket.local_address()?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// Those of getpeername(2): `NotConnected`; use on a foreign core.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip_address(&self.socket.peer_address()?)
    }

    /// Splits the connection into halves that two tasks can own, each with the methods of its
    /// direction. Both stay on this core.
    ///
    /// Dropping the sending half ends its direction, and dropping both closes the connection.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let (reader, writer) = client.into_split();
    /// let asking = annulus::spawn(async move {
    ///     writer.write_all("question").await?;
    ///     std::io::Result::Ok(()) // and the direction ends
    /// });
    /// let ((), question) = stream.read_exact(vec![0; 8]).await?;
    /// assert!(stream.recv().await?.is_none());
    /// stream.write_all(question).await?;
    /// assert_eq!(&*reader.recv().await?.expect("an answer"), b"question");
    /// asking.await.expect("it does not panic")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        super::halves::split(self)
    }

    /// The stream as `std` has it, in blocking mode, once what was queued is sent.
    ///
    /// # Errors
    /// With the stream given back: if bytes were received and not read yet, or a send is in flight;
    /// the error of a send that failed; use on a foreign core.
    ///
    /// # Cancel safety
    /// As [`into_portable`](Self::into_portable): dropping the future drops the stream.
    ///
    /// # Kernel
    /// `ASYNC_CANCEL` of the receive that is armed, 5.5; inline.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("ping").await?;
    /// let std: std::net::TcpStream = client.into_std().await?;
    /// # drop((std, stream));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> Result<std::net::TcpStream, BufError<Self>> {
        let detached = self.socket.detach().await;
        let fd = detached.map_err(|error| error.map_buf(|socket| Self { socket }))?;
        let stream = std::net::TcpStream::from(fd);
        stream.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(stream)
    }

    /// Takes over a stream of `std`.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = Self { socket: Socket::from_fd(stream.into(), Stream::new())? };
        // It may linger: its close must not block the core then.
        if let Some(duration) = stream.linger()? {
            stream.set_linger(Some(duration))?;
        }
        Ok(stream)
    }

    /// Takes the connection from this core, to be moved to another.
    ///
    /// What was accepted is sent first. What was received and not read travels along, copied; the
    /// descriptor stays the same one.
    ///
    /// # Errors
    /// With the stream given back: the error of a send that failed; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream. It waits as long as [`flush`](Self::flush) does: await
    /// that with a [`timeout`](OpExt::timeout) before, where a peer may not read.
    ///
    /// # Kernel
    /// `ASYNC_CANCEL` of the receive that is armed, 5.5; inline.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let portable = client.into_portable().await?; // `Send`, for any core
    /// let client = portable.attach()?;
    /// # drop((client, stream));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_portable(self) -> Result<Portable<Self>, BufError<Self>> {
        let parts = self.socket.into_parts().await;
        parts.map(Portable::new).map_err(|error| error.map_buf(Self::from_socket))
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn handle(&self) -> Handle {
        self.socket.owned.handle()
    }

    pub(super) fn owned(&self) -> &Owned {
        &self.socket.owned
    }

    pub(super) fn into_owned(self) -> Owned {
        self.socket.owned
    }

    pub(super) fn from_socket(socket: Socket) -> Self {
        Self { socket }
    }
}

impl Connected for TcpStream {
    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.owned.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.owned.raw_fd()
    }
}
