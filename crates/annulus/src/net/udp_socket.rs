//! A UDP socket.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use annulus_ring::SocketAddress;

use super::ToAddress;
use super::control::Control;
use super::datagram::{Datagram, Received};
use super::foreign;
use super::messenger::Messenger;
use super::options::rows::ip_numbers;
use super::options::{self, value};
use super::stream::ip_address;
use super::udp_connect::Connecting;
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf};
use crate::core::datagrams::Datagrams;
use crate::core::message_send::To;
use crate::op::OpExt;

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
    pub fn connect<A: ToAddress>(
        &self,
        address: A,
    ) -> impl OpExt<Output = io::Result<()>> + use<'_, A> {
        Connecting::new(&self.socket, address.to_destination())
    }

    /// The next datagram, leased where the kernel put it.
    ///
    /// # Errors
    /// On a connected socket `ConnectionRefused`, …, if a datagram that was sent has not arrived.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: datagrams stay in the queue.
    ///
    /// # Kernel
    /// `RECVMSG` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled. Without those, one
    /// by one into the heap.
    #[doc(alias = "recvmsg")]
    pub fn recv(&self) -> impl OpExt<Output = io::Result<Datagram>> + use<'_> {
        self.socket.recv()
    }

    /// The datagrams that are there, leased: waits for the first one, and gives at most `most`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// As [`recv`](Self::recv).
    ///
    /// # Kernel
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// # client.send("one").await?;
    /// let datagrams = server.recv_batch(64).await?;
    /// let answers = datagrams.into_iter().map(|datagram| {
    ///     let sender = *datagram.sender();
    ///     (datagram.into_lease(), sender)
    /// });
    /// for sent in server.send_batch(answers).await {
    ///     sent?;
    /// }
    /// # assert_eq!(&*client.recv().await?, b"one");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "recvmmsg")]
    pub fn recv_batch(
        &self,
        most: usize,
    ) -> impl OpExt<Output = io::Result<Vec<Datagram>>> + use<'_> {
        self.socket.recv_batch(most)
    }

    /// A datagram that has been received and not taken, if there is one and nobody waits for it.
    /// Else the socket begins to receive.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); use on a foreign core.
    pub fn try_recv(&self) -> io::Result<Option<Datagram>> {
        self.socket.try_recv()
    }

    /// Receives a datagram into `buf`, from its start up to its capacity. Gives the number of bytes
    /// and the sender. What does not fit is lost; [`recv_msg`](Self::recv_msg) tells.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, but not the datagram: what arrives late is given to
    /// the next reader, as far as it fitted.
    ///
    /// # Kernel
    /// `RECVMSG`, 5.3, straight into the buffer; polled. If a leased receive is armed already, the
    /// bytes are copied.
    #[doc(alias = "recvfrom")]
    pub fn recv_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf)
    }

    /// As [`recv_from`](Self::recv_from), without the sender: for a connected socket.
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf)
    }

    /// As [`recv_from`](Self::recv_from), with control messages and the length as it was sent.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::UdpSocket;
    /// use annulus::net::control::{Control, ControlMessage};
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_receive_ttl(true)?;
    /// socket.send_to("eight by", socket.local_addr()?).await?;
    /// let (received, (buf, control)) =
    ///     socket.recv_msg(Vec::with_capacity(5), Control::with_room(64)).await?;
    /// assert!(received.is_truncated());
    /// assert_eq!((&buf[..], received.sent_bytes), (&b"eight"[..], 8));
    /// assert!(matches!(control.messages().next(), Some(ControlMessage::Ttl(64))));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "recvmsg")]
    pub fn recv_msg<B: IoBufMut>(
        &self,
        buf: B,
        control: Control,
    ) -> impl OpExt<Output = BufResult<Received, (B, Control)>> + use<'_, B> {
        self.socket.recv_msg(buf, control)
    }

    /// As [`recv_from`](Self::recv_from), and the datagram stays for the next reader.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the buffer.
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf).peek()
    }

    /// As [`peek_from`](Self::peek_from), without the sender: for a connected socket.
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf).peek()
    }

    /// Sends the bytes of `buf` as one datagram to whom the socket is [connected](Self::connect).
    ///
    /// # Errors
    /// With the buffer: errno `EDESTADDRREQ` if it is not connected, `EMSGSIZE` for more than a
    /// packet holds (65507 bytes with IPv4), `ConnectionRefused` for one that was sent before.
    ///
    /// # Cancel safety
    /// Dropping the future takes the datagram back if it has not left yet.
    ///
    /// # Kernel
    /// `SEND` with `MSG_NOSIGNAL`, 5.6; inline if the socket has room, else polled.
    pub fn send<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(self.socket.datagram(buf, To::Peer))
    }

    /// Sends the bytes of `buf` as one datagram to `address`.
    ///
    /// # Errors
    /// As [`send`](Self::send); `NetworkUnreachable`, `PermissionDenied` for a broadcast that was
    /// not [allowed](Self::set_broadcast), `InvalidInput` for port 0 or another family.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Kernel
    /// `SEND` with an address and `MSG_NOSIGNAL`, 6.1; inline if the socket has room, else polled.
    #[doc(alias = "sendto")]
    pub fn send_to<B: IoBuf>(
        &self,
        buf: B,
        address: SocketAddr,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(self.socket.datagram(buf, address.into()))
    }

    /// Sends the bytes of `buf` as datagrams of `segment_bytes` each, the last of what is left, to
    /// `address` or to whom the socket is connected. One pass through the stack serves all of them.
    ///
    /// Gives the number of bytes. 64 datagrams at most (128 since Linux 6.9), 65507 bytes with
    /// IPv4.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); `InvalidInput` if a segment has no bytes, is more than a
    /// packet holds, or there are too many of them.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send): all or none.
    ///
    /// # Kernel
    /// `SENDMSG` with `UDP_SEGMENT`, 4.18 and 5.3; inline if the socket has room, else polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::UdpSocket;
    ///
    /// let receiver = UdpSocket::bind("127.0.0.1:0")?;
    /// let sender = UdpSocket::bind("127.0.0.1:0")?;
    /// sender.send_segments("onetwofour", 3, Some(receiver.local_addr()?)).await?;
    /// for expected in ["one", "two", "fou", "r"] {
    ///     assert_eq!(&*receiver.recv().await?, expected.as_bytes());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "UDP_SEGMENT")]
    #[doc(alias = "GSO")]
    pub fn send_segments<B: IoBuf>(
        &self,
        buf: B,
        segment_bytes: u16,
        address: Option<SocketAddr>,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send_segments(self.socket.datagram(buf, to(address)), segment_bytes)
    }

    /// Sends several datagrams, at once as far as the socket has room. Gives the result of each:
    /// one that fails does not keep the others.
    ///
    /// # Errors
    /// Of each, those of [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    /// Dropping the future takes those back that have not left yet.
    ///
    /// # Kernel
    /// sendmmsg(2), which does not wait: a system call for up to 64 datagrams, where a request for
    /// each would cost an entry and a completion. Those for which there is no room go as
    /// [`send_to`](Self::send_to).
    #[doc(alias = "sendmmsg")]
    pub fn send_batch<B: IoBuf, I: IntoIterator<Item = (B, SocketAddr)>>(
        &self,
        datagrams: I,
    ) -> impl OpExt<Output = Vec<BufResult<usize, B>>> + use<'_, B, I> {
        let send = |(buf, address): (B, SocketAddr)| self.socket.datagram(buf, address.into());
        self.socket.send_batch(datagrams.into_iter().map(send))
    }

    /// Sends the bytes of several buffers, one after the other, as one datagram with control
    /// messages, to `address` or to whom the socket is connected.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to), with buffers and control messages; `InvalidInput` for control
    /// messages that the kernel does not take, and for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Kernel
    /// As [`send_to`](Self::send_to).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::UdpSocket;
    /// use annulus::net::control::{Control, ControlMessage, Ecn};
    ///
    /// let receiver = UdpSocket::bind("127.0.0.1:0")?;
    /// receiver.set_receive_tos(true)?;
    /// let sender = UdpSocket::bind("127.0.0.1:0")?;
    /// let mut control = Control::new();
    /// control.push(ControlMessage::Tos(Ecn::Capable0 as u8))?;
    /// sender.send_msg(("head", vec![1, 2, 3]), Some(receiver.local_addr()?), control).await?;
    /// let datagram = receiver.recv().await?;
    /// assert_eq!((datagram.len(), datagram.ecn()), (7, Some(Ecn::Capable0)));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sendmsg")]
    pub fn send_msg<V: IoVecBuf>(
        &self,
        bufs: V,
        address: Option<SocketAddr>,
        control: Control,
    ) -> impl OpExt<Output = BufResult<usize, (V, Control)>> + use<'_, V> {
        self.socket.send_msg(bufs, Ok(to(address)), control)
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
    /// flight.
    ///
    /// # Cancel safety
    /// Dropping the future drops the socket.
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

/// To an address, or to whom the socket is connected.
fn to(address: Option<SocketAddr>) -> To {
    address.map_or(To::Peer, To::from)
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
