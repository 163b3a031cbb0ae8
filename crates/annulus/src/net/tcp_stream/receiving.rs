//! What a TCP connection receives.
//!
//! Owns: the ways to ask for it. Does not own: the receive queue (the core's stream), nor what is
//! the same for Unix sockets ([`Socket`](crate::net::Socket)).

use std::io;

use super::TcpStream;
use crate::buf::{BufResult, IoBufMut, IoVecBufMut};
use crate::net::recv::{Parsed, Recv};
use crate::net::{Leases, Polled};
use crate::op::OpExt;

impl TcpStream {
    /// The next bytes, leased where the kernel put them; `None` when the peer has ended its
    /// direction.
    ///
    /// # Errors
    /// `ConnectionReset`, … once; later calls give `None`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// `RECV` with `IORING_RECV_MULTISHOT` and buffer selection, 6.0; polled. One request serves
    /// any number of messages.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("ping").await?;
    /// let lease = stream.recv().await?.expect("bytes");
    /// assert_eq!(&*lease, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&self) -> Recv<'_> {
        self.socket.recv()
    }

    /// The received bytes as a stream of leases, which ends when the peer has ended its direction.
    ///
    /// # Errors
    /// Items are what [`recv`](Self::recv) gives.
    ///
    /// # Cancel safety
    /// Dropping the stream loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// use futures_util::TryStreamExt as _;
    ///
    /// client.write_all("hello").await?;
    /// client.shutdown(std::net::Shutdown::Write)?;
    /// let mut leases = stream.leases();
    /// let mut bytes = 0;
    /// while let Some(lease) = leases.try_next().await? {
    ///     bytes += lease.len();
    /// }
    /// assert_eq!(bytes, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn leases(&self) -> Leases<'_> {
        self.socket.leases()
    }

    /// A reader and a writer of this stream for code that polls.
    pub fn polled(&self) -> Polled {
        self.socket.polled()
    }

    /// Reads into `buf`, from its start up to its capacity. Gives the number of bytes, 0 at the
    /// end.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, but not the bytes: what arrives late is given to the
    /// next reader.
    ///
    /// # Kernel
    /// `RECV`, 5.6, straight into the buffer; polled. If a leased receive is armed already, its
    /// bytes are copied.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("ping").await?;
    /// let (n, buf) = stream.read(vec![0; 64]).await?;
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

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// As [`read`](Self::read); `UnexpectedEof` if the stream ends before, with what was read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes that it had taken go back to the front.
    ///
    /// # Kernel
    /// As [`read`](Self::read), as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("ping pong").await?;
    /// let ((), word) = stream.read_exact(vec![0; 4]).await?;
    /// assert_eq!(word, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_exact<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.read_exact(buf)
    }

    /// Reads into several buffers, one after the other, each up to its capacity: what is there, at
    /// most as much as they have room for. Gives the number of bytes, 0 at the end.
    ///
    /// # Errors
    /// As [`read`](Self::read), with the buffers.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffers, and loses no byte.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv), and a copy: the kernel lends one buffer, and its bytes are dealt
    /// out.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("headbody").await?;
    /// let (n, (head, body)) = stream.read_vectored((vec![0; 4], vec![0; 100])).await?;
    /// assert_eq!((n, &head[..], &body[..]), (8, &b"head"[..], &b"body"[..]));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "readv")]
    pub fn read_vectored<V: IoVecBufMut>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        self.socket.read_vectored(bufs)
    }

    /// Copies what is there into `buf` and leaves it there: the next read gives it again. Waits if
    /// there is nothing yet; gives 0 at the end.
    ///
    /// Bytes that were peeked at are this crate's, not the kernel's: recv(2) with `MSG_PEEK` on the
    /// descriptor does not show them.
    ///
    /// # Errors
    /// As [`read`](Self::read). The error stays, too: the next read gives it again.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, and loses no byte.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv), and a copy.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("ping").await?;
    /// let (n, _) = stream.peek(vec![0; 64]).await?;
    /// let (m, _) = stream.read(vec![0; 64]).await?;
    /// assert_eq!((n, m), (4, 4));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.peek(buf)
    }

    /// Hands received bytes to `parse` until it consumes some. Gives how many it consumed; 0 means
    /// that the peer has ended its direction and nothing is left.
    ///
    /// What is not consumed comes again at the next call. While more than
    /// [`send_high_bytes`](crate::runtime::Builder::send_high_bytes) of
    /// [`send_nowait`](Self::send_nowait) wait to be sent, `parse` is not called: a peer that does
    /// not read what it is sent is not read from either.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `UnexpectedEof` if the stream ends in bytes that `parse` did not
    /// consume; the error of an earlier send that failed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what `parse` did not consume goes back to the front of
    /// the queue.
    ///
    /// # Kernel
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{Parsed, TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// # client.write_all("ping").await?;
    /// # client.shutdown(std::net::Shutdown::Write)?;
    /// loop {
    ///     let n = stream
    ///         .with_data(|bytes| {
    ///             stream.send_nowait(bytes).ok();
    ///             Parsed::Consumed(bytes.len())
    ///         })
    ///         .await?;
    ///     if n == 0 {
    ///         break;
    ///     }
    /// }
    /// # drop(stream);
    /// # let ((), answer) = client.read_exact(vec![0; 4]).await?;
    /// # assert_eq!(answer, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_data<F>(&self, parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.socket.with_data(parse).await
    }

    /// A reader that lends its bytes, for parsers that borrow.
    pub fn reader(&self) -> crate::net::Reader<'_> {
        crate::net::Reader::new(&self.socket)
    }
}
