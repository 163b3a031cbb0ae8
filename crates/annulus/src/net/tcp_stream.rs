//! A TCP connection.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::connect::Connecting;
use super::halves::Connected;
use super::recv::{Parsed, Recv};
use super::stream::{Socket, ip_address};
use super::{Leases, OwnedReadHalf, OwnedWriteHalf, Polled, Portable, ToAddress};
use crate::buf::{BufError, BufResult, IoBufMut, IoVecBufMut};
use crate::core::Owned;
use crate::core::key::Handle;
use crate::core::stream::Stream;
use crate::op::OpExt;

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

    /// The next bytes, leased where the kernel put them; `None` when the peer has ended its
    /// direction.
    ///
    /// # Errors
    /// `ConnectionReset`, … once; later calls give `None`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// `RECV` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled. One request serves
    /// any number of messages.
    pub fn recv(&self) -> Recv<'_> {
        self.socket.recv()
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
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// use futures_util::TryStreamExt as _;
    ///
    /// client.write_all("hello").await?;
    /// client.shutdown(std::net::Shutdown::Write)?;
    /// let mut leases = stream.leases();
    /// let mut bytes = 0;
    /// while let Some(lease) = leases.try_next().await? {
    ///     bytes += lease.len();
    /// }
    /// assert_eq!(bytes, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn leases(&self) -> Leases<'_> {
        self.socket.leases()
    }

    /// A reader and a writer of this stream for code that polls.
    pub fn polled(&self) -> Polled {
        self.socket.polled()
    }

    /// Reads into `buf`, from its start up to its capacity. Gives the number of bytes, 0 at the
    /// end.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, but not the bytes: what arrives late is given to the
    /// next reader.
    ///
    /// # Kernel
    /// `RECV`, 5.6, straight into the buffer; polled. If a leased receive is armed already, its
    /// bytes are copied.
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf)
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// As [`read`](Self::read); `UnexpectedEof` if the stream ends before, with what was read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes that it had taken go back to the front.
    pub fn read_exact<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.read_exact(buf)
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
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("headbody").await?;
    /// let (n, (head, body)) = stream.read_vectored((vec![0; 4], vec![0; 100])).await?;
    /// assert_eq!((n, &head[..], &body[..]), (8, &b"head"[..], &b"body"[..]));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "readv")]
    pub fn read_vectored<V: IoVecBufMut>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        self.socket.read_vectored(bufs)
    }

    /// Copies what is there into `buf` and leaves it there: the next read gives it again. Waits if
    /// there is nothing yet; gives 0 at the end.
    ///
    /// Bytes that were peeked at are this crate's, not the kernel's: recv(2) with `MSG_PEEK` on the
    /// descriptor does not show them.
    ///
    /// # Errors
    /// As [`read`](Self::read). The error stays, too: the next read gives it again.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, and loses no byte.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv), and a copy.
    #[doc(alias = "MSG_PEEK")]
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.peek(buf)
    }

    /// Hands received bytes to `parse` until it consumes some. Gives how many it consumed; 0 means
    /// that the peer has ended its direction and nothing is left.
    ///
    /// What is not consumed comes again at the next call. While more than
    /// [`send_high_bytes`](crate::runtime::Builder::send_high_bytes) of
    /// [`send_nowait`](Self::send_nowait) wait to be sent, `parse` is not called: a peer that does
    /// not read what it is sent is not read from either.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `UnexpectedEof` if the stream ends in bytes that `parse` did not
    /// consume.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{Parsed, TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// # client.write_all("ping").await?;
    /// # client.shutdown(std::net::Shutdown::Write)?;
    /// loop {
    ///     let n = stream
    ///         .with_data(|bytes| {
    ///             stream.send_nowait(bytes).ok();
    ///             Parsed::Consumed(bytes.len())
    ///         })
    ///         .await?;
    ///     if n == 0 {
    ///         break;
    ///     }
    /// }
    /// # drop(stream);
    /// # let ((), answer) = client.read_exact(vec![0; 4]).await?;
    /// # assert_eq!(answer, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_data<F>(&self, parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.socket.with_data(parse).await
    }

    /// A reader that lends its bytes, for parsers that borrow.
    pub fn reader(&self) -> super::Reader<'_> {
        super::Reader::new(&self.socket)
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
    /// With the stream given back: if bytes were received and not read yet, or a send is in flight.
    ///
    /// # Cancel safety
    /// As [`into_portable`](Self::into_portable).
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
