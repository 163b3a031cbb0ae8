//! Unix sockets that keep messages apart: datagrams.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use annulus_ring::SocketAddress;

use super::control::Control;
use super::foreign;
use super::messenger::Messenger;
use super::options;
use super::options::rows::of_any;
use crate::buf::{BufError, BufResult, IoBuf, IoVecBuf};
use crate::core::Owned;
use crate::core::datagrams::Datagrams;
use crate::core::message_send::To;
use crate::op::OpExt;

mod receiving;

/// A Unix datagram socket. Its methods are those of [`UdpSocket`](super::UdpSocket), with the same
/// rules, but that nothing is lost on the way: a send waits until the receiver has room.
///
/// Addresses are paths, or those of [`std::os::unix::net::SocketAddr`], which can be
/// [abstract](std::os::linux::net::SocketAddrExt) as well. A path stays in the file system when the
/// socket is closed.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixDatagram;
/// use annulus::net::control::Control;
///
/// let (left, right) = UnixDatagram::pair()?;
/// let mut control = Control::new();
/// control.pass(vec![std::fs::File::open("/etc/hostname")?.into()])?;
/// left.send_msg(("a file",), None, control).await?;
///
/// let mut datagram = right.recv().await?;
/// assert_eq!(&*datagram, b"a file");
/// let file = std::fs::File::from(datagram.take_rights().remove(0));
/// assert!(file.metadata()?.is_file());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    socket: Messenger,
}

impl UnixDatagram {
    /// A socket without an address: it can send.
    ///
    /// # Errors
    /// Those of socket(2); an error that says so if no runtime runs on this thread.
    pub fn unbound() -> io::Result<Self> {
        let socket = Messenger::open(libc::AF_UNIX, libc::SOCK_DGRAM, Datagrams::unix())?;
        Ok(Self { socket })
    }

    /// A socket at a path, where nothing may be yet.
    ///
    /// # Errors
    /// `AddrInUse`, `NotFound`, `PermissionDenied`; `InvalidInput` for a path of more than 107
    /// bytes; an error that says so if no runtime runs on this thread.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_address(&SocketAddress::unix(path)?)
    }

    /// A socket at an address; an unnamed one lets the kernel choose an abstract name.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::bind_address(&SocketAddress::try_from(address)?)
    }

    fn bind_address(address: &SocketAddress) -> io::Result<Self> {
        let unbound = Self::unbound()?;
        unbound.socket.bind(address)?;
        Ok(unbound)
    }

    /// Two sockets connected to each other.
    ///
    /// # Errors
    /// Those of socketpair(2); an error that says so if no runtime runs on this thread.
    pub fn pair() -> io::Result<(Self, Self)> {
        let [left, right] = Messenger::pair(libc::SOCK_DGRAM, Datagrams::unix)?;
        Ok((Self { socket: left }, Self { socket: right }))
    }

    /// Connects to the socket at a path: sends without an address go there, and only what comes
    /// from there is received.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused` if nobody is there, `PermissionDenied`; `InvalidInput` for a
    /// path that cannot be one.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the socket connected or not.
    ///
    /// # Kernel
    /// `CONNECT`, 5.5; inline.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::UnixDatagram;
    ///
    /// let server = UnixDatagram::bind(dir.path().join("server"))?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect(dir.path().join("server")).await?;
    /// client.send("ping").await?;
    /// # assert_eq!(&*server.recv().await?, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, P> {
        self.socket.connect_shaped(SocketAddress::unix(path))
    }

    /// Connects to the socket at an address of `std`: to a name in the abstract namespace, for
    /// instance.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `InvalidInput` for an address without a name.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the socket connected or not.
    ///
    /// # Kernel
    /// `CONNECT`, 5.5; inline.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::UnixDatagram;
    ///
    /// let server = UnixDatagram::bind(dir.path().join("server"))?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect_addr(&server.local_addr()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_addr(
        &self,
        address: &SocketAddr,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.socket.connect_shaped(SocketAddress::try_from(address))
    }

    /// Sends the bytes of `buf` as one datagram to whom the socket is connected.
    ///
    /// # Errors
    /// With the buffer: `NotConnected`, `ConnectionRefused` if the receiver is gone, `EMSGSIZE` for
    /// more than the socket's buffer holds.
    ///
    /// # Cancel safety
    /// Dropping the future takes the datagram back if it has not left yet.
    ///
    /// # Kernel
    /// `SEND` with `MSG_NOSIGNAL`, 5.6; inline if the receiver has room, else polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// let (n, _) = left.send("ping").await?;
    /// assert_eq!(n, 4);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(self.socket.datagram(buf, To::Peer))
    }

    /// Sends the bytes of `buf` as one datagram to the socket at a path.
    ///
    /// # Errors
    /// As [`send`](Self::send); `NotFound`; `InvalidInput` for a path that cannot be one.
    ///
    /// # Cancel safety
    /// Dropping the future takes the datagram back if it has not left yet.
    ///
    /// # Kernel
    /// `SEND` with an address and `MSG_NOSIGNAL`, 6.1; inline if the receiver has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::UnixDatagram;
    ///
    /// let path = dir.path().join("server");
    /// let server = UnixDatagram::bind(&path)?;
    /// UnixDatagram::unbound()?.send_to("ping", &path).await?;
    /// # assert_eq!(&*server.recv().await?, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_to<B: IoBuf, P: AsRef<Path>>(
        &self,
        buf: B,
        path: P,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, P> {
        self.socket.send_to(buf, SocketAddress::unix(path))
    }

    /// Sends the bytes of `buf` as one datagram to the socket at an address of `std`.
    ///
    /// # Errors
    /// As [`send`](Self::send); `NotFound`; `InvalidInput` for an address without a name.
    ///
    /// # Cancel safety
    /// Dropping the future takes the datagram back if it has not left yet.
    ///
    /// # Kernel
    /// `SEND` with an address and `MSG_NOSIGNAL`, 6.1; inline if the receiver has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::UnixDatagram;
    ///
    /// let server = UnixDatagram::bind(dir.path().join("server"))?;
    /// let client = UnixDatagram::unbound()?;
    /// client.send_to_addr("ping", &server.local_addr()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_to_addr<B: IoBuf>(
        &self,
        buf: B,
        address: &SocketAddr,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send_to(buf, SocketAddress::try_from(address))
    }

    /// Sends the bytes of several buffers, one after the other, as one datagram with control
    /// messages, descriptors among them, to `address` or to whom the socket is connected.
    ///
    /// # Errors
    /// As [`send_to_addr`](Self::send_to_addr), with buffers and control messages; `InvalidInput`
    /// for control messages that the kernel does not take, and for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// Dropping the future takes the datagram back if it has not left yet.
    ///
    /// # Kernel
    /// `SENDMSG` with `MSG_NOSIGNAL`, 5.3; inline if the receiver has room, else polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// use annulus::net::control::Control;
    ///
    /// let (n, _) = left.send_msg(("head", b"body".to_vec()), None, Control::new()).await?;
    /// assert_eq!(n, 8);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_msg<V: IoVecBuf>(
        &self,
        bufs: V,
        address: Option<&SocketAddr>,
        control: Control,
    ) -> impl OpExt<Output = BufResult<usize, (V, Control)>> + use<'_, V> {
        let address = address.map(SocketAddress::try_from).transpose();
        let to = address.map(|address| match address {
            Some(address) => To::Other(Box::new(address)),
            None => To::Peer,
        });
        self.socket.send_msg(bufs, to, control)
    }

    /// Whether received datagrams tell who has sent them (`SO_PASSCRED`): a
    /// [`Credentials`](super::control::ControlMessage::Credentials) each.
    ///
    /// # Errors
    /// Those of setsockopt(2); use on a foreign core.
    #[doc(alias = "SO_PASSCRED")]
    pub fn set_receive_credentials(&self, receive: bool) -> io::Result<()> {
        let value = i32::from(receive);
        options::set(&self.socket.owned, libc::SOL_SOCKET, libc::SO_PASSCRED, value)
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// Those of shutdown(2): `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(&self.socket.local_address()?)
    }

    /// Whom it is connected to.
    ///
    /// # Errors
    /// Those of getpeername(2): `NotConnected`; use on a foreign core.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(&self.socket.peer_address()?)
    }

    /// The socket as `std` has it, in blocking mode.
    ///
    /// # Errors
    /// With the socket given back: if datagrams were received and not read yet, or a send is in
    /// flight; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future drops the socket.
    ///
    /// # Kernel
    /// `ASYNC_CANCEL` of the receive that is armed, 5.5; inline.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// let std: std::os::unix::net::UnixDatagram = left.into_std().await?;
    /// std.send(b"ping")?;
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> Result<std::os::unix::net::UnixDatagram, BufError<Self>> {
        let detached = self.socket.detach().await;
        let fd = detached.map_err(|error| error.map_buf(|socket| Self { socket }))?;
        let socket = std::os::unix::net::UnixDatagram::from(fd);
        socket.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(socket)
    }

    /// Takes over a socket of `std`.
    ///
    /// # Errors
    /// As [`UdpSocket::from_std`](super::UdpSocket::from_std).
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        let (fd, wanted) = (socket.into(), &foreign::UNIX_DATAGRAM);
        Ok(Self { socket: Messenger::from_fd(fd, wanted, Datagrams::unix())? })
    }
}

impl UnixDatagram {
    fn owned(&self) -> &Owned {
        &self.socket.owned
    }
}

of_any!(UnixDatagram);

/// Fails with `InvalidInput`, and closes the descriptor, if that is no such socket; ENOTSOCK if it
/// is none at all.
impl TryFrom<OwnedFd> for UnixDatagram {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.owned.as_fd()
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.owned.raw_fd()
    }
}
