//! A TCP socket that is neither connected nor listens.
//!
//! Owns: the steps from a new socket to a connection or a listener, for who sets options between
//! them. Does not own: the options (`tcp_options`), connecting to names or to one of several
//! addresses (`connect`).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use annulus_ring::{Kernel as _, SocketAddress};

use super::connect::{Attempt, Connecting};
use super::stream::ip_address;
use super::{TcpListener, TcpStream, ToAddress};
use crate::core::{Owned, with_any};
use crate::op::OpExt;

/// A TCP socket before it is bound, connected or listens, for options that have to be set before.
///
/// [`TcpStream::connect`] and [`TcpListener::bind_with`] are shorter where none has to be.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::TcpSocket;
///
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseport(true)?;
/// socket.set_recv_buffer_size(1 << 20)?; // before the window is negotiated
/// socket.bind("127.0.0.1:0")?;
/// let listener = socket.listen(4096)?;
///
/// let socket = TcpSocket::new_v4()?;
/// socket.bind("127.0.0.2:0")?; // whose address the peer sees
/// let client = socket.connect(listener.local_addr()?).await?;
/// let (_stream, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// assert_eq!(peer.ip().to_string(), "127.0.0.2");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    /// Of which nothing is used but its record, which closes the descriptor.
    stream: TcpStream,
}

impl TcpSocket {
    /// A socket for addresses of IPv4.
    ///
    /// # Errors
    /// Those of socket(2): `EMFILE`; an error that says so if no runtime runs on this thread.
    ///
    /// # Kernel
    /// socket(2): a system call, because it does not block.
    pub fn new_v4() -> io::Result<Self> {
        Self::of_family(libc::AF_INET)
    }

    /// A socket for addresses of IPv6, and for those of IPv4 unless
    /// [`set_only_v6`](Self::set_only_v6) says otherwise.
    ///
    /// # Errors
    /// As [`new_v4`](Self::new_v4); EAFNOSUPPORT where there is no IPv6.
    pub fn new_v6() -> io::Result<Self> {
        Self::of_family(libc::AF_INET6)
    }

    /// A socket of the family that `address` is of.
    pub(super) fn of_family(family: i32) -> io::Result<Self> {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = with_any(|core| core.state.borrow_mut().ring.kernel().socket(family, kind, 0))??;
        Ok(Self { stream: TcpStream::adopt(fd)? })
    }

    /// Takes over a socket of `std`, or of a crate that made one: neither connected nor listening,
    /// which is not checked.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn from_std_stream(socket: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::from_std(socket)? })
    }

    /// Gives the socket this address. Port 0 lets the kernel choose.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not of this machine;
    /// `PermissionDenied` for a port that needs `CAP_NET_BIND_SERVICE`; `InvalidInput` for text
    /// that is no address, for an address of another family, and for a socket that has one already.
    ///
    /// # Kernel
    /// bind(2): a system call, because it does not block.
    pub fn bind(&self, address: impl ToAddress) -> io::Result<()> {
        let (address, fd) = (SocketAddress::from(address.to_address()?), self.as_raw_fd());
        Ok(self.owned().with(|state, _| state.ring.kernel().bind(fd, &address))??)
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; `InvalidInput` for a name or several addresses, since there
    /// is one socket; EISCONN for a socket that was connected, or being connected to another
    /// address, before it was taken over. The socket is closed.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt and closes the socket.
    ///
    /// # Kernel
    /// `CONNECT`, 5.5; polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// use annulus::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4()?;
    /// socket.set_nodelay(true)?;
    /// let stream = socket.connect(address).await?;
    /// # drop((listener, stream));
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<A: ToAddress>(
        self,
        address: A,
    ) -> impl OpExt<Output = io::Result<TcpStream>> + use<A> {
        match address.to_address() {
            Ok(address) => Connecting::One(Attempt::of(self.stream, address)),
            Err(error) => Connecting::Idle(Err(error)),
        }
    }

    /// Listens, with room for so many connections that wait to be accepted; at most
    /// `net.core.somaxconn`. A socket without an address is given one.
    ///
    /// # Errors
    /// `AddrInUse` if another socket listens there.
    ///
    /// # Kernel
    /// listen(2): a system call, because it does not block.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let (fd, backlog) = (self.as_raw_fd(), i32::try_from(backlog).unwrap_or(i32::MAX));
        self.owned().with(|state, _| state.ring.kernel().listen(fd, backlog))??;
        let owned = self.stream.into_owned();
        owned.with(|state, key| state.become_listener(key))?;
        Ok(TcpListener::from_owned(owned))
    }

    /// The address that it was given.
    ///
    /// # Errors
    /// Use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let fd = self.as_raw_fd();
        let address = self.owned().with(|state, _| state.ring.kernel().local_address(fd))??;
        ip_address(&address)
    }

    /// How closing throws away what is unsent; see [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    /// Use on a foreign core.
    #[doc(alias = "SO_LINGER")]
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    pub(super) fn owned(&self) -> &Owned {
        self.stream.owned()
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}
