//! What a Unix socket of datagrams receives.
//!
//! Owns: the ways to ask for it. Does not own: the queue of datagrams, nor what is the same for all
//! sockets that keep messages apart ([`Messenger`](crate::net::Messenger)).

use std::io;
use std::os::unix::net::SocketAddr;

use super::UnixDatagram;
use crate::buf::{BufResult, IoBufMut};
use crate::net::Datagrams;
use crate::net::control::Control;
use crate::net::datagram::{Datagram, Received};
use crate::op::OpExt;

impl UnixDatagram {
    /// The next datagram, leased where the kernel put it.
    ///
    /// # Errors
    /// `ConnectionReset`, once, if the socket that it was connected with has connected to
    /// another; use on a foreign core.
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
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// left.send("ping").await?;
    /// assert_eq!(&*right.recv().await?, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&self) -> impl OpExt<Output = io::Result<Datagram<SocketAddr>>> + use<'_> {
        self.socket.recv()
    }

    /// The datagrams that are there, leased: waits for the first one, and gives at most `most`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: datagrams stay in the queue.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// left.send("one").await?;
    /// left.send("two").await?;
    /// let mut datagrams = Vec::new();
    /// while datagrams.len() < 2 {
    ///     datagrams.extend(right.recv_batch(64).await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_batch(
        &self,
        most: usize,
    ) -> impl OpExt<Output = io::Result<Vec<Datagram<SocketAddr>>>> + use<'_> {
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
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// use futures_util::TryStreamExt as _;
    ///
    /// left.send("ping").await?;
    /// let datagram = right.datagrams().try_next().await?.expect("there is no end");
    /// assert_eq!(&*datagram, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn datagrams(&self) -> Datagrams<'_, SocketAddr> {
        self.socket.datagrams()
    }

    /// As [`UdpSocket::try_recv`](crate::net::UdpSocket::try_recv).
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&self) -> io::Result<Option<Datagram<SocketAddr>>> {
        self.socket.try_recv()
    }

    /// Receives a datagram into `buf`, from its start up to its capacity. Gives the number of bytes
    /// and the sender, who often has no name. What does not fit is lost;
    /// [`recv_msg`](Self::recv_msg) tells.
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
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// left.send("ping").await?;
    /// let ((n, sender), buf) = right.recv_from(vec![0; 64]).await?;
    /// assert_eq!(&buf[..n], b"ping");
    /// assert!(sender.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf)
    }

    /// Receives a datagram into `buf`, from its start up to its capacity, and gives the number of
    /// bytes. What does not fit is lost; [`recv_msg`](Self::recv_msg) tells.
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
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
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

    /// As [`recv_from`](Self::recv_from), with control messages, descriptors among them, and the
    /// length as it was sent.
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
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
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
    /// # let (left, right) = annulus::net::UnixDatagram::pair()?;
    /// left.send("ping").await?;
    /// let ((n, _sender), _) = right.peek_from(vec![0; 64]).await?;
    /// let ((m, _sender), _) = right.recv_from(vec![0; 64]).await?;
    /// assert_eq!((n, m), (4, 4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peek_from<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(usize, SocketAddr), B>> + use<'_, B> {
        self.socket.recv_from(buf).peek()
    }
}
