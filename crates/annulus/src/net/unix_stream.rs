//! A Unix connection.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use annulus_ring::{Kernel as _, SocketAddress};

use super::halves::Connected;
use super::options::rows::{of_any, so};
use super::options::{self, value};
use super::stream::Socket;
use super::unix_connect::UnixConnecting;
use super::{OwnedReadHalf, OwnedWriteHalf, Portable, UCred};
use crate::buf::BufError;
use crate::core::stream::Stream;
use crate::core::{Owned, with_any};
use crate::op::OpExt;

mod receiving;
mod sending;

/// A Unix stream socket. Its methods are those of [`TcpStream`](super::TcpStream), with the same
/// rules.
#[derive(Debug)]
pub struct UnixStream {
    socket: Socket,
}

impl UnixStream {
    pub(super) fn adopt(fd: RawFd) -> io::Result<Self> {
        Self::adopt_into(fd, 0)
    }

    /// As `adopt`, for a stream that receives into buffers of this group.
    pub(super) fn adopt_into(fd: RawFd, group: u8) -> io::Result<Self> {
        let mut stream = Stream::of_unix();
        stream.recv.group = group;
        Ok(Self { socket: Socket::adopt(fd, stream)? })
    }

    /// Connects to the socket at a path.
    ///
    /// While the queue of the listener is full, this waits, as connect(2) does: a listener that
    /// never accepts is what [`connect_timeout`](Self::connect_timeout) is for.
    ///
    /// # Errors
    /// `NotFound`; `ConnectionRefused` if nobody listens there any more; `PermissionDenied` without
    /// write permission; EPROTOTYPE for a socket of another type; `InvalidInput` for a path of more
    /// than 107 bytes.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt and closes the socket.
    ///
    /// # Kernel
    /// socket(2), then `CONNECT`, 5.5; inline, and punted while the queue is full.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::{UnixListener, UnixStream};
    ///
    /// let path = dir.path().join("socket");
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path).await?;
    /// let (stream, _) = listener.accept().await?;
    /// # drop((client, stream));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<P: AsRef<Path>>(path: P) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        UnixConnecting::Idle(SocketAddress::unix(path))
    }

    /// Connects to an address of `std`: to a name in the abstract namespace, for instance.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `InvalidInput` for an address without a name.
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    ///
    /// # Kernel
    /// As [`connect`](Self::connect).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::{UnixListener, UnixStream};
    /// use std::os::linux::net::SocketAddrExt as _;
    /// use std::os::unix::net::SocketAddr;
    ///
    /// let name = format!("annulus-connect-{}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// let client = UnixStream::connect_addr(&address).await?;
    /// # drop((listener, client));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_addr(address: &SocketAddr) -> impl OpExt<Output = io::Result<Self>> + use<> {
        UnixConnecting::Idle(SocketAddress::try_from(address))
    }

    /// Connects to the socket at a path, within so much time.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut` if the time was over first.
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
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::{UnixListener, UnixStream};
    /// use std::time::Duration;
    ///
    /// let path = dir.path().join("socket");
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect_timeout(&path, Duration::from_secs(5)).await?;
    /// # drop((listener, client));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_timeout<P: AsRef<Path>>(
        path: P,
        duration: Duration,
    ) -> impl OpExt<Output = io::Result<Self>> + use<P> {
        Self::connect(path).timeout(duration)
    }

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

    /// As [`TcpStream::shutdown`](super::TcpStream::shutdown).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// As [`TcpStream::into_split`](super::TcpStream::into_split).
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        super::halves::split(self)
    }

    /// The address of this end; without a name unless it was bound to one.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(&self.socket.local_address()?)
    }

    /// The address of the other end: the listener's for who connected, rarely one with a name for
    /// who accepted.
    ///
    /// # Errors
    /// Those of getpeername(2): `NotConnected`; use on a foreign core.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(&self.socket.peer_address()?)
    }

    /// Who the other end is: process, user and group at the time when it connected, or listened
    /// (`SO_PEERCRED`, unix(7)).
    ///
    /// # Errors
    /// Those of getsockopt(2); use on a foreign core.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(&self) -> io::Result<UCred> {
        let option = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        options::value_as::<value::Credentials>(self.owned(), option)
    }

    /// The groups that the other end was in besides, at that time (`SO_PEERGROUPS`, Linux 4.13).
    ///
    /// # Errors
    /// Those of getsockopt(2); use on a foreign core.
    #[doc(alias = "SO_PEERGROUPS")]
    pub fn peer_groups(&self) -> io::Result<Vec<u32>> {
        let option = (libc::SOL_SOCKET, so::PEERGROUPS);
        options::value_as::<value::Groups>(self.owned(), option)
    }

    /// As [`TcpStream::set_receive_pool`](super::TcpStream::set_receive_pool).
    ///
    /// # Errors
    /// As there.
    pub fn set_receive_pool(&self, pool: usize) -> io::Result<()> {
        self.socket.set_receive_pool(pool)
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping").await?;
    /// let std: std::os::unix::net::UnixStream = left.into_std().await?;
    /// # drop((std, right));
    /// # Ok(())
    /// # }
    /// ```
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

    /// Takes the connection from this core, to be moved to another. What was accepted is sent
    /// first; what was received and not read travels along, copied.
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// let portable = left.into_portable().await?; // `Send`, for any core
    /// let left = portable.attach()?;
    /// # drop((left, right));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_portable(self) -> Result<Portable<Self>, BufError<Self>> {
        let parts = self.socket.into_parts().await;
        parts.map(Portable::new).map_err(|error| error.map_buf(Self::from_socket))
    }

    pub(super) fn from_socket(socket: Socket) -> Self {
        Self { socket }
    }

    pub(super) fn owned(&self) -> &Owned {
        &self.socket.owned
    }
}

of_any!(UnixStream);

impl UnixStream {
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Connected for UnixStream {
    fn socket(&self) -> &Socket {
        &self.socket
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
