//! What a UDP socket sends.
//!
//! Owns: the ways to say it. Does not own: what is the same for all sockets that keep messages
//! apart ([`Messenger`](crate::net::Messenger)).

use std::net::SocketAddr;

use super::UdpSocket;
use crate::buf::{BufResult, IoBuf, IoVecBuf};
use crate::core::message_send::To;
use crate::net::control::Control;
use crate::op::OpExt;

impl UdpSocket {
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// let (n, _) = client.send("ping").await?;
    /// assert_eq!(n, 4);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.send_to("ping", server.local_addr()?).await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// let address = server.local_addr()?;
    /// for sent in client.send_batch([("one", address), ("two", address)]).await {
    ///     sent?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
    /// `SENDMSG` with `MSG_NOSIGNAL`, 5.3; inline if the socket has room, else polled.
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
}

/// To an address, or to whom the socket is connected.
fn to(address: Option<SocketAddr>) -> To {
    address.map_or(To::Peer, To::from)
}
