//! What a Unix connection receives.
//!
//! Owns: the ways to ask for it. Does not own: the receive queue (the core's stream), nor what is
//! the same for TCP ([`Socket`](crate::net::Socket)).

use std::io;

use super::UnixStream;
use crate::buf::{BufResult, IoBufMut, IoVecBufMut};
use crate::net::recv::{Parsed, Recv};
use crate::net::{Leases, Polled, Reader};
use crate::op::OpExt;

impl UnixStream {
    /// The next bytes, leased where the kernel put them; `None` when the peer has ended its
    /// direction.
    ///
    /// # Errors
    /// `ConnectionReset`, … once; later calls give `None`. Use on a foreign core.
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping").await?;
    /// let lease = right.recv().await?.expect("bytes");
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// use futures_util::TryStreamExt as _;
    ///
    /// left.write_all("ping").await?;
    /// drop(left);
    /// let leases: Vec<_> = right.leases().try_collect().await?;
    /// assert_eq!(&*leases[0], b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn leases(&self) -> Leases<'_> {
        self.socket.leases()
    }

    /// As [`TcpStream::polled`](crate::net::TcpStream::polled).
    pub fn polled(&self) -> Polled {
        self.socket.polled()
    }

    /// Reads into `buf`, from its start up to its capacity. Gives the number of bytes, 0 at the
    /// end.
    ///
    /// # Errors
    /// `ConnectionReset`, … once, with the buffer; `InvalidInput` for a buffer without capacity;
    /// use on a foreign core.
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping").await?;
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping pong").await?;
    /// let ((), word) = right.read_exact(vec![0; 4]).await?;
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("headbody").await?;
    /// let (n, (head, body)) = right.read_vectored((vec![0; 4], vec![0; 64])).await?;
    /// assert_eq!((n, &head[..], &body[..4]), (8, &b"head"[..], &b"body"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_vectored<V: IoVecBufMut>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        self.socket.read_vectored(bufs)
    }

    /// Copies what is there into `buf` and leaves it there: the next read gives it again. Waits if
    /// there is nothing yet; gives 0 at the end.
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping").await?;
    /// let (n, _) = right.peek(vec![0; 64]).await?;
    /// let (m, _) = right.read(vec![0; 64]).await?;
    /// assert_eq!((n, m), (4, 4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peek<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.peek(buf)
    }

    /// Hands received bytes to `parse` until it consumes some. Gives how many it consumed; 0 means
    /// that the peer has ended its direction and nothing is left. While too many bytes of
    /// `send_nowait` wait to be sent, `parse` is not called: see
    /// [`TcpStream::with_data`](crate::net::TcpStream::with_data).
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
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// use annulus::net::Parsed;
    ///
    /// left.write_all("ping").await?;
    /// let n = right.with_data(|bytes| Parsed::Consumed(bytes.len())).await?;
    /// assert_eq!(n, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_data<F>(&self, parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        self.socket.with_data(parse).await
    }

    /// As [`TcpStream::reader`](crate::net::TcpStream::reader).
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.socket)
    }
}
