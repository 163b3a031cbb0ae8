//! What a UDP socket receives.
//!
//! Owns: the ways to ask for it. Does not own: the queue of datagrams, nor what is the same for all
//! sockets that keep messages apart ([`Messenger`](crate::net::Messenger)).

use std::io;
use std::net::SocketAddr;

use super::UdpSocket;
use crate::buf::{BufResult, IoBufMut};
use crate::net::Datagrams;
use crate::net::control::Control;
use crate::net::datagram::{Datagram, Received};
use crate::op::OpExt;

impl UdpSocket {
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// client.send("ping").await?;
    /// let datagram = server.recv().await?;
    /// assert_eq!(&*datagram, b"ping");
    /// assert_eq!(*datagram.sender(), client.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
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

    /// All datagrams from now on, leased, as a stream without an end.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), as an item; then the stream goes on.
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
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// use futures_util::{StreamExt as _, TryStreamExt as _};
    ///
    /// for part in ["one", "two"] {
    ///     client.send(part).await?;
    /// }
    /// let both: Vec<_> = server.datagrams().take(2).try_collect().await?;
    /// assert_eq!((&*both[0], &*both[1]), (&b"one"[..], &b"two"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn datagrams(&self) -> Datagrams<'_> {
        self.socket.datagrams()
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// client.send("ping").await?;
    /// let ((n, sender), buf) = server.recv_from(vec![0; 1500]).await?;
    /// assert_eq!(&buf[..n], b"ping");
    /// assert_eq!(sender, client.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "recvfrom")]
    pub fn recv_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf)
    }

    /// Receives a datagram into `buf`, from its start up to its capacity, and gives the number of
    /// bytes: for a connected socket, whose sender is known. What does not fit is lost.
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// # let address = client.local_addr()?;
    /// server.send_to("pong", address).await?;
    /// let (n, buf) = client.read(vec![0; 1500]).await?;
    /// assert_eq!(&buf[..n], b"pong");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf)
    }

    /// As [`recv_from`](Self::recv_from), with control messages and the length as it was sent.
    ///
    /// # Errors
    /// With the buffer and the room for control messages: as [`recv`](Self::recv); `InvalidInput`
    /// for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffers, but not the datagram, nor descriptors that come with
    /// it: what arrives late is given to the next reader, as far as it fitted.
    ///
    /// # Kernel
    /// `RECVMSG`, 5.3, straight into the buffer; polled. If a leased receive is armed already, the
    /// bytes are copied.
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
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the buffer: the datagram stays in the queue.
    ///
    /// # Kernel
    /// `RECVMSG` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled; and a copy.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// client.send("ping").await?;
    /// let ((n, _sender), _) = server.peek_from(vec![0; 1500]).await?;
    /// let ((m, _sender), _) = server.recv_from(vec![0; 1500]).await?;
    /// assert_eq!((n, m), (4, 4));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf).peek()
    }

    /// As [`read`](Self::read), and the datagram stays for the next reader.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the buffer: the datagram stays in the queue.
    ///
    /// # Kernel
    /// `RECVMSG` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled; and a copy.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UdpSocket;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.connect(server.local_addr()?).await?;
    /// server.send_to("pong", client.local_addr()?).await?;
    /// let (n, _) = client.peek(vec![0; 1500]).await?;
    /// let (m, _) = client.read(vec![0; 1500]).await?;
    /// assert_eq!((n, m), (4, 4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.read(buf).peek()
    }
}
