//! Unix sockets that keep messages apart: connections.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use annulus_ring::SocketAddress;

use super::UCred;
use super::control::Control;
use super::datagram::{Datagram, Received};
use super::foreign;
use super::messenger::Messenger;
use super::options::rows::of_any;
use super::options::{self, value};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf};
use crate::core::Owned;
use crate::core::datagrams::Datagrams;
use crate::core::message_send::To;
use crate::op::OpExt;

/// A Unix connection that keeps packets apart (`SOCK_SEQPACKET`): in order, none lost, and with an
/// end, as a stream has.
///
/// Its methods are those of [`UnixDatagram`](super::UnixDatagram), with the same rules. A packet
/// without bytes looks like the end to whoever receives it into a buffer; do not send any.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixSeqpacket;
///
/// let (left, right) = UnixSeqpacket::pair()?;
/// left.send("one").await?;
/// left.send("two").await?;
/// drop(left);
/// assert_eq!(&*right.recv().await?.unwrap(), b"one");
/// assert_eq!(&*right.recv().await?.unwrap(), b"two");
/// assert!(right.recv().await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixSeqpacket {
    socket: Messenger,
}

impl UnixSeqpacket {
    /// The connection of a descriptor that is ours: a listener of packets has accepted it.
    pub(super) fn adopt(fd: RawFd) -> io::Result<Self> {
        Ok(Self { socket: Messenger::adopt(fd, Datagrams::packets())? })
    }

    /// Two sockets connected to each other.
    ///
    /// # Errors
    /// Those of socketpair(2); an error that says so if no runtime runs on this thread.
    pub fn pair() -> io::Result<(Self, Self)> {
        let [left, right] = Messenger::pair(libc::SOCK_SEQPACKET, Datagrams::packets)?;
        Ok((Self { socket: left }, Self { socket: right }))
    }

    /// Connects to the [listener](super::UnixSeqpacketListener) at a path.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused` if nobody listens there, `PermissionDenied`; `InvalidInput`
    /// for a path that cannot be one.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Kernel
    /// socket(2), then `CONNECT`, 5.5.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::{UnixSeqpacket, UnixSeqpacketListener};
    ///
    /// let path = dir.path().join("socket");
    /// let listener = UnixSeqpacketListener::bind(&path)?;
    /// let client = UnixSeqpacket::connect(&path).await?;
    /// # drop((listener, client));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_address(SocketAddress::unix(path)?).await
    }

    /// Connects to the listener at an address of `std`: at a name in the abstract namespace, for
    /// instance.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `InvalidInput` for an address without a name.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Kernel
    /// socket(2), then `CONNECT`, 5.5.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// use annulus::net::{UnixSeqpacket, UnixSeqpacketListener};
    ///
    /// let listener = UnixSeqpacketListener::bind(dir.path().join("socket"))?;
    /// let client = UnixSeqpacket::connect_addr(&listener.local_addr()?).await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::connect_address(SocketAddress::try_from(address)?).await
    }

    async fn connect_address(address: SocketAddress) -> io::Result<Self> {
        let socket = Messenger::open(libc::AF_UNIX, libc::SOCK_SEQPACKET, Datagrams::packets())?;
        socket.connect(address).await?;
        Ok(Self { socket })
    }

    /// The next packet, leased where the kernel put it; `None` when the peer has ended its
    /// direction.
    ///
    /// # Errors
    /// `ConnectionReset` if the peer closed with packets unread.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: packets stay in the queue.
    ///
    /// # Kernel
    /// `RECVMSG` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled. Without those, one
    /// by one into the heap.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// left.send("ping").await?;
    /// let packet = right.recv().await?.expect("a packet");
    /// assert_eq!(&*packet, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&self) -> impl OpExt<Output = io::Result<Option<Datagram<SocketAddr>>>> + use<'_> {
        self.socket.recv_until_end()
    }

    /// All packets until the peer has ended its direction, leased, as a stream.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), as an item.
    ///
    /// # Cancel safety
    /// Dropping the stream, or the future of its next item, loses nothing; after the latter the
    /// stream keeps its place in the queue of readers until it is polled or dropped.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv): one request for many, armed again where it has ended.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// use futures_util::TryStreamExt as _;
    ///
    /// left.send("one").await?;
    /// left.send("two").await?;
    /// left.shutdown(std::net::Shutdown::Write)?;
    /// let packets: Vec<_> = right.packets().try_collect().await?;
    /// assert_eq!(packets.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn packets(&self) -> super::Datagrams<'_, SocketAddr> {
        self.socket.packets()
    }

    /// Receives a packet into `buf`; 0 at the end. What does not fit is lost;
    /// [`recv_msg`](Self::recv_msg) tells.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, but not the packet: what arrives late is given to the
    /// next reader, as far as it fitted.
    ///
    /// # Kernel
    /// `RECVMSG`, 5.3, straight into the buffer; polled. If a leased receive is armed already, the
    /// bytes are copied.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// left.send("ping").await?;
    /// let (n, buf) = right.read(vec![0; 64]).await?;
    /// assert_eq!(&buf[..n], b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf)
    }

    /// Receives a packet into `buf`, with control messages, descriptors among them, and the length
    /// as it was sent.
    ///
    /// # Errors
    /// With the buffer and the room for control messages: as [`recv`](Self::recv); `InvalidInput`
    /// for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffers, but not the packet, nor descriptors that come with
    /// it: what arrives late is given to the next reader, as far as it fitted.
    ///
    /// # Kernel
    /// `RECVMSG`, 5.3, straight into the buffer; polled. If a leased receive is armed already, the
    /// bytes are copied.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// use annulus::net::control::Control;
    ///
    /// left.send("eight by").await?;
    /// let (received, (buf, _control)) =
    ///     right.recv_msg(Vec::with_capacity(5), Control::with_room(64)).await?;
    /// assert!(received.is_truncated());
    /// assert_eq!((&buf[..], received.sent_bytes), (&b"eight"[..], 8));
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_msg<B: IoBufMut>(
        &self,
        buf: B,
        control: Control,
    ) -> impl OpExt<Output = BufResult<Received<SocketAddr>, (B, Control)>> + use<'_, B> {
        self.socket.recv_msg(buf, control)
    }

    /// Sends the bytes of `buf` as one packet.
    ///
    /// # Errors
    /// With the buffer: `BrokenPipe`, `ConnectionReset`, `EMSGSIZE` for more than the socket's
    /// buffer holds.
    ///
    /// # Cancel safety
    /// Dropping the future takes the packet back if it has not left yet.
    ///
    /// # Kernel
    /// `SEND` with `MSG_NOSIGNAL`, 5.6; inline if the receiver has room, else polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// let (n, _) = left.send("ping").await?;
    /// assert_eq!(n, 4);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(self.socket.datagram(buf, To::Peer))
    }

    /// Sends the bytes of several buffers as one packet with control messages.
    ///
    /// # Errors
    /// As [`send`](Self::send), with buffers and control messages.
    ///
    /// # Cancel safety
    /// Dropping the future takes the packet back if it has not left yet.
    ///
    /// # Kernel
    /// `SENDMSG` with `MSG_NOSIGNAL`, 5.3; inline if the receiver has room, else polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// use annulus::net::control::Control;
    ///
    /// let (n, _) = left.send_msg(("head", b"body".to_vec()), Control::new()).await?;
    /// assert_eq!(n, 8);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_msg<V: IoVecBuf>(
        &self,
        bufs: V,
        control: Control,
    ) -> impl OpExt<Output = BufResult<usize, (V, Control)>> + use<'_, V> {
        self.socket.send_msg(bufs, Ok(To::Peer), control)
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

    /// The address of the other end.
    ///
    /// # Errors
    /// Those of getpeername(2): `NotConnected`; use on a foreign core.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(&self.socket.peer_address()?)
    }

    /// As [`UnixStream::peer_cred`](super::UnixStream::peer_cred).
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(&self) -> io::Result<UCred> {
        let option = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        options::value_as::<value::Credentials>(self.owned(), option)
    }

    /// As [`UnixDatagram::set_receive_credentials`](super::UnixDatagram::set_receive_credentials).
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "SO_PASSCRED")]
    pub fn set_receive_credentials(&self, receive: bool) -> io::Result<()> {
        options::set(self.owned(), libc::SOL_SOCKET, libc::SO_PASSCRED, receive.into())
    }

    fn owned(&self) -> &Owned {
        &self.socket.owned
    }

    /// The descriptor, in blocking mode: `std` has no type for it.
    ///
    /// # Errors
    /// With the socket given back: if packets were received and not read yet, or a send is in
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
    /// # let (left, right) = annulus::net::UnixSeqpacket::pair()?;
    /// let fd: std::os::fd::OwnedFd = left.into_fd().await?;
    /// # drop((fd, right));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_fd(self) -> Result<OwnedFd, BufError<Self>> {
        let detached = self.socket.detach().await;
        let fd = detached.map_err(|error| error.map_buf(|socket| Self { socket }))?;
        // The mode is that of the open file, whatever type sets it.
        let file = std::os::unix::net::UnixDatagram::from(fd);
        file.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(file.into())
    }
}

of_any!(UnixSeqpacket);

/// Takes over a connected socket. Fails with `InvalidInput`, and closes the descriptor, if it is no
/// Unix socket of packets; ENOTSOCK if it is no socket at all.
impl TryFrom<OwnedFd> for UnixSeqpacket {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let wanted = &foreign::UNIX_SEQPACKET;
        Ok(Self { socket: Messenger::from_fd(fd, wanted, Datagrams::packets())? })
    }
}

impl AsFd for UnixSeqpacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.owned.as_fd()
    }
}

impl AsRawFd for UnixSeqpacket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.owned.raw_fd()
    }
}
