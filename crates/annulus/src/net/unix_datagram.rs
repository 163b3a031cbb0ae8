//! Unix sockets that keep messages apart: datagrams.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use annulus_ring::SocketAddress;

use super::control::Control;
use super::datagram::{Datagram, Received};
use super::foreign;
use super::messenger::Messenger;
use super::options;
use super::options::rows::of_any;
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf};
use crate::core::Owned;
use crate::core::datagrams::Datagrams;
use crate::core::message_send::To;
use crate::op::OpExt;

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
    pub fn connect<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, P> {
        self.socket.connect_shaped(SocketAddress::unix(path))
    }

    /// As [`connect`](Self::connect), to an address.
    ///
    /// # Errors
    /// As there.
    pub fn connect_addr(
        &self,
        address: &SocketAddr,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.socket.connect_shaped(SocketAddress::try_from(address))
    }

    /// As [`UdpSocket::recv`](super::UdpSocket::recv).
    pub fn recv(&self) -> impl OpExt<Output = io::Result<Datagram<SocketAddr>>> + use<'_> {
        self.socket.recv()
    }

    /// As [`UdpSocket::recv_batch`](super::UdpSocket::recv_batch).
    pub fn recv_batch(
        &self,
        most: usize,
    ) -> impl OpExt<Output = io::Result<Vec<Datagram<SocketAddr>>>> + use<'_> {
        self.socket.recv_batch(most)
    }

    /// As [`UdpSocket::try_recv`](super::UdpSocket::try_recv).
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&self) -> io::Result<Option<Datagram<SocketAddr>>> {
        self.socket.try_recv()
    }

    /// As [`UdpSocket::recv_from`](super::UdpSocket::recv_from).
    pub fn recv_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf)
    }

    /// As [`UdpSocket::read`](super::UdpSocket::read).
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf)
    }

    /// As [`UdpSocket::recv_msg`](super::UdpSocket::recv_msg).
    pub fn recv_msg<B: IoBufMut>(
        &self,
        buf: B,
        control: Control,
    ) -> impl OpExt<Output = BufResult<Received<SocketAddr>, (B, Control)>> + use<'_, B> {
        self.socket.recv_msg(buf, control)
    }

    /// As [`UdpSocket::peek_from`](super::UdpSocket::peek_from).
    pub fn peek_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf).peek()
    }

    /// Sends the bytes of `buf` as one datagram to whom the socket is connected.
    ///
    /// # Errors
    /// With the buffer: `NotConnected`, `ConnectionRefused` if the receiver is gone, `EMSGSIZE` for
    /// more than the socket's buffer holds.
    ///
    /// # Cancel safety
    /// As [`UdpSocket::send`](super::UdpSocket::send).
    ///
    /// # Kernel
    /// As [`UdpSocket::send`](super::UdpSocket::send).
    pub fn send<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(self.socket.datagram(buf, To::Peer))
    }

    /// As [`send`](Self::send), to the socket at a path.
    ///
    /// # Errors
    /// As [`send`](Self::send); `NotFound`; `InvalidInput` for a path that cannot be one.
    pub fn send_to<B: IoBuf, P: AsRef<Path>>(
        &self,
        buf: B,
        path: P,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B, P> {
        self.socket.send_to(buf, SocketAddress::unix(path))
    }

    /// As [`send`](Self::send), to the socket at an address.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn send_to_addr<B: IoBuf>(
        &self,
        buf: B,
        address: &SocketAddr,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send_to(buf, SocketAddress::try_from(address))
    }

    /// As [`UdpSocket::send_msg`](super::UdpSocket::send_msg).
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

    /// As [`UdpSocket::into_std`](super::UdpSocket::into_std).
    ///
    /// # Errors
    /// As there.
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
