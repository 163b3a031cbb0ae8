//! What a Unix connection sends.
//!
//! Owns: the ways to say it. Does not own: the send queue (the core's stream), nor what is the same
//! for TCP ([`Socket`](crate::net::Socket)).

use std::io;

use super::UnixStream;
use crate::buf::{BufResult, IoBuf, IoVecBuf};
use crate::op::OpExt;

impl UnixStream {
    /// Sends bytes of `buf`, and gives how many were sent: all of them, unless the connection fails
    /// on the way.
    ///
    /// # Errors
    /// `BrokenPipe`, `ConnectionReset`, …, with the buffer; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the bytes back: they stay in the send queue.
    ///
    /// # Kernel
    /// `SEND` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.6; inline if the socket has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// let (n, _) = left.write("ping").await?;
    /// assert_eq!(n, 4);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(buf)
    }

    /// Sends all bytes of `buf`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// As [`write`](Self::write), and again for the rest if it came short.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping").await?;
    /// let ((), got) = right.read_exact(vec![0; 4]).await?;
    /// assert_eq!(got, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.write_all(buf)
    }

    /// Sends bytes of several buffers, one after the other, and gives how many were sent: all of
    /// them, unless the connection fails on the way.
    ///
    /// # Errors
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// let (n, _bufs) = left.write_vectored(("head", vec![0; 60])).await?;
    /// assert_eq!(n, 64);
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        self.socket.write_vectored(bufs)
    }

    /// Sends all bytes of several buffers, one after the other, in one request: a head and a body
    /// of different types, for instance, without copying either.
    ///
    /// # Errors
    /// As [`write`](Self::write), with the buffers; `InvalidInput` for more than 1024 of them.
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// `SENDMSG` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.3; inline if the socket has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all_vectored(("head", b"body".to_vec())).await?;
    /// let ((), got) = right.read_exact(vec![0; 8]).await?;
    /// assert_eq!(got, b"headbody");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V> {
        self.socket.write_all_vectored(bufs)
    }

    /// As [`TcpStream::send_nowait_vec`](crate::net::TcpStream::send_nowait_vec).
    ///
    /// # Errors
    /// As there.
    pub fn send_nowait_vec(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.socket.send_nowait_vec(bytes)
    }

    /// As [`TcpStream::send_nowait`](crate::net::TcpStream::send_nowait).
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_nowait(bytes)
    }

    /// Whether [`send_nowait`](Self::send_nowait) has room for a byte. It has, too, where that
    /// would fail for another reason.
    pub fn has_room(&self) -> bool {
        self.socket.has_room()
    }

    /// Waits until everything that `send_nowait` queued has been given to the kernel's socket.
    ///
    /// # Errors
    /// The error of a send that failed; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what was queued is sent.
    ///
    /// # Kernel
    /// No request of its own: it waits for the sends that are queued.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.send_nowait(b"ping")?;
    /// left.flush().await?;
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&self) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.socket.room(Some(0))
    }
}
