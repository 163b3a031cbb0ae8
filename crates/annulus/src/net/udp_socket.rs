//! A UDP socket.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use annulus_ring::SocketAddress;

use super::ToAddress;
use super::foreign;
use super::messenger::Messenger;
use super::options::rows::ip_numbers;
use super::options::{self, value};
use super::stream::ip_address;
use super::udp_connect::Connecting;
use crate::buf::BufError;
use crate::core::datagrams::Datagrams;
use crate::op::OpExt;

mod receiving;
mod sending;

/// A UDP socket.
///
/// All methods take `&self`: one task may receive while another sends. The handle is `Send + Sync`,
/// but its operations run on the core that made it; dropped elsewhere, it is closed by its core.
///
/// # Receiving
/// [`recv`](Self::recv) leases a datagram where the kernel put it: one request of the kernel serves
/// any number of them, and an idle socket holds no buffer. [`recv_batch`](Self::recv_batch) takes
/// all that are there. [`recv_from`](Self::recv_from) fills a buffer of yours, and
/// [`recv_msg`](Self::recv_msg) gives control messages besides. They may be mixed; waiting readers
/// are served in the order in which they came.
///
/// Once a leased receive waits, datagrams come into the core's memory until 128 of them are unread.
///
/// # Sending
/// A datagram is sent whole or not at all. Several may be in flight, and may then leave in any
/// order if the socket has no room for them.
///
/// # Errors of the network
/// What an ICMP message says (`ConnectionRefused`, `HostUnreachable`) is the error of the next
/// operation of a [connected](Self::connect) socket, as udp(7) has it; the socket stays usable.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to("hello", server.local_addr()?).await?;
///
/// let datagram = server.recv().await?;
/// assert_eq!(&*datagram, b"hello");
/// let sender = *datagram.sender();
/// server.send_to(datagram.into_lease(), sender).await?; // from where it was received
///
/// let ((n, from), buf) = client.recv_from(Vec::with_capacity(1500)).await?;
/// assert_eq!((&buf[..n], from), (&b"hello"[..], server.local_addr()?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    pub(super) socket: Messenger,
}

/// How a UDP socket is bound.
///
/// ```
/// use annulus::net::UdpOptions;
///
/// let options = UdpOptions::new().reuse_port(true);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Default, Debug)]
#[must_use]
pub struct UdpOptions {
    reuse_address: bool,
    reuse_port: bool,
    only_v6: bool,
    freebind: bool,
    transparent: bool,
    ports: Option<(u16, u16)>,
}

impl UdpOptions {
    /// The defaults: none of these.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether several sockets of this host may have the address, and all of them get what is sent
    /// to a group (`SO_REUSEADDR`).
    #[doc(alias = "SO_REUSEADDR")]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several sockets, one a core, may share the address, among which the kernel deals
    /// senders out (`SO_REUSEPORT`).
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether a socket of an IPv6 address refuses IPv4 (`IPV6_V6ONLY`).
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = only;
        self
    }

    /// Whether an address may be taken that is not of this machine, or not yet (`IP_FREEBIND`).
    #[doc(alias = "IP_FREEBIND")]
    pub fn freebind(mut self, free: bool) -> Self {
        self.freebind = free;
        self
    }

    /// Whether any address may be taken, and what goes to others be received, for a transparent
    /// proxy (`IP_TRANSPARENT`). Needs `CAP_NET_ADMIN` or `CAP_NET_RAW`.
    #[doc(alias = "IP_TRANSPARENT")]
    pub fn transparent(mut self, transparent: bool) -> Self {
        self.transparent = transparent;
        self
    }

    /// The ports among which the kernel chooses for port 0, of those that the system allows for it
    /// (`IP_LOCAL_PORT_RANGE`, Linux 6.3).
    #[doc(alias = "IP_LOCAL_PORT_RANGE")]
    pub fn local_port_range(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = Some(ports.into_inner());
        self
    }
}

impl UdpSocket {
    /// Binds with the default [`UdpOptions`]. Port 0 lets the kernel choose.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`; `InvalidInput` for text that is no
    /// address; an error that says so if no runtime runs on this thread.
    ///
    /// # Kernel
    /// socket(2), bind(2): system calls, because they do not block.
    pub fn bind(address: impl ToAddress) -> io::Result<Self> {
        Self::bind_with(address, UdpOptions::new())
    }

    /// Binds.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(address: impl ToAddress, options: UdpOptions) -> io::Result<Self> {
        let address = SocketAddress::from(address.to_address()?);
        let (family, kind) = (address.family(), libc::SOCK_DGRAM);
        // From here on the record closes the descriptor if something fails.
        let socket = Messenger::open(family, kind, Datagrams::internet())?;
        let set = |level, name| options::set(&socket.owned, level, name, 1);
        if options.reuse_address {
            set(libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        }
        if options.reuse_port {
            set(libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
        }
        if options.only_v6 && family == libc::AF_INET6 {
            set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
        }
        if options.freebind {
            set(libc::SOL_IP, libc::IP_FREEBIND)?;
        }
        if options.transparent {
            set(libc::SOL_IP, libc::IP_TRANSPARENT)?;
        }
        if let Some((first, last)) = options.ports {
            let option = (libc::SOL_IP, ip_numbers::LOCAL_PORT_RANGE);
            options::set_as::<value::Ports>(&socket.owned, option, Some(first..=last))?;
        }
        socket.bind(&address)?;
        Ok(Self { socket })
    }

    /// Connects, to an address or to a host by its name: sends without an address go there, and
    /// only what comes from there is received.
    ///
    /// A name is [looked up](super::lookup_host). Of several addresses the first is taken that
    /// there is a way to. Nothing is sent, so this says nothing about who is there.
    ///
    /// # Errors
    /// `NetworkUnreachable`, `InvalidInput` for the address of another family, …, of several
    /// addresses that of the last; those of [`lookup_host`](super::lookup_host).
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
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.connect(server.local_addr()?).await?;
    /// socket.send("ping").await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<A: ToAddress>(
        &self,
        address: A,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, A> {
        Connecting::new(&self.socket, address.to_destination())
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_address(&self.socket.local_address()?)
    }

    /// Whom it is connected to.
    ///
    /// # Errors
    /// Those of getpeername(2): `NotConnected`; use on a foreign core.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip_address(&self.socket.peer_address()?)
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
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// let std: std::net::UdpSocket = client.into_std().await?;
    /// std.send(b"ping")?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> Result<std::net::UdpSocket, BufError<Self>> {
        let detached = self.socket.detach().await;
        let fd = detached.map_err(|error| error.map_buf(|socket| Self { socket }))?;
        let socket = std::net::UdpSocket::from(fd);
        socket.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(socket)
    }

    /// Takes over a socket of `std`.
    ///
    /// # Errors
    /// If no runtime runs on this thread. `InvalidInput`, and the descriptor is closed, if it is
    /// no UDP socket after all: `std`'s type can be made of any.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        let (fd, wanted) = (socket.into(), &foreign::UDP_SOCKET);
        Ok(Self { socket: Messenger::from_fd(fd, wanted, Datagrams::internet())? })
    }
}

/// Fails with `InvalidInput`, and closes the descriptor, if that is no such socket; ENOTSOCK if it
/// is none at all.
impl TryFrom<OwnedFd> for UdpSocket {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.owned.as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.owned.raw_fd()
    }
}
