//! Writing bytes to anything.
//!
//! Owns: [`AsyncWrite`]. Does not own: where bytes go. Invariant: a buffer goes in by value and
//! comes back with the result.

use std::future::Future;
use std::io;

use crate::buf::{BufError, BufResult, IoBuf, IoVecBuf, Slice, gather};
use crate::net::TcpStream;
use crate::pipe::Sender;

/// Something that bytes can be written to, from buffers that the kernel may borrow.
///
/// The counterpart of [`std::io::Write`] for completions; see [`AsyncRead`](super::AsyncRead) for
/// references to handles.
///
/// ```
/// use annulus::io::AsyncWrite;
///
/// async fn greet(mut to: impl AsyncWrite) -> std::io::Result<()> {
///     to.write_all("hello").await?;
///     to.flush().await
/// }
///
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut sent = Vec::new();
/// greet(&mut sent).await?;
/// assert_eq!(sent, b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AsyncWriteRent")]
pub trait AsyncWrite {
    /// Writes from the buffer's first byte on, and gives how many bytes were taken: at least one,
    /// unless the buffer is empty or the destination full.
    ///
    /// # Errors
    /// Those of the destination. The error gives the buffer back.
    ///
    /// # Cancel safety
    /// Dropping the future does not take bytes back that were given to the destination already.
    ///
    /// # Kernel
    /// None of its own: what the destination asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncWrite as _;
    ///
    /// let mut sent = Vec::new();
    /// let (n, _) = (&mut sent).write("hello").await?;
    /// assert_eq!(n, 5);
    /// # Ok(())
    /// # }
    /// ```
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>>;

    /// Waits until everything that was taken has reached the destination.
    ///
    /// # Errors
    /// That of an earlier write; those of the destination.
    ///
    /// # Cancel safety
    /// Whether dropping the future can lose bytes that were taken is for the destination to say.
    /// Sockets lose none; a [`BufWriter`](super::BufWriter) may.
    ///
    /// # Kernel
    /// None of its own: what the destination asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncWrite as _;
    ///
    /// let (mut left, _right) = annulus::net::UnixStream::pair()?;
    /// annulus::io::AsyncWrite::write_all(&mut left, "hello").await?;
    /// annulus::io::AsyncWrite::flush(&mut left).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn flush(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Flushes, and says that nothing more will be written: of a socket, this direction ends.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// As [`flush`](Self::flush); the direction may have ended, or not.
    ///
    /// # Kernel
    /// None of its own: what the destination asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncWrite;
    ///
    /// let (mut left, right) = annulus::net::UnixStream::pair()?;
    /// AsyncWrite::shutdown(&mut left).await?;
    /// assert!(right.recv().await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>>;

    /// The TCP stream behind it, if bytes may go to that directly: [`copy`](super::copy) then
    /// moves large amounts from socket to socket in the kernel. Nothing by default.
    fn as_tcp_target(&self) -> Option<&TcpStream> {
        None
    }

    /// The pipe behind it, if bytes may go to that directly: [`copy`](super::copy) then moves them
    /// from another pipe in the kernel. Nothing by default.
    fn as_pipe_target(&self) -> Option<&Sender> {
        None
    }

    /// Writes all of the buffer.
    ///
    /// # Errors
    /// `WriteZero` if the destination takes no more; as [`write`](Self::write).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write); how much was taken is not known then.
    ///
    /// # Kernel
    /// None of its own: what the destination asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncWrite as _;
    ///
    /// let mut sent = Vec::new();
    /// sent.write_all("hello").await?;
    /// assert_eq!(sent, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        async move {
            let (mut buf, mut sent, len) = {
                let len = buf.bytes_len();
                (buf, 0, len)
            };
            while sent < len {
                let wrote = self.write(buf.slice(sent..)).await;
                let (n, rest) = wrote.map_err(|error| error.map_buf(Slice::into_inner))?;
                buf = rest.into_inner();
                if n == 0 {
                    return Err(BufError::new(takes_no_more(), buf));
                }
                sent += n;
            }
            Ok(((), buf))
        }
    }

    /// Writes all of several buffers, one after the other.
    ///
    /// Sockets send them in one request, without copying. Where nothing better is known they are
    /// copied into one piece first.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all).
    ///
    /// # Cancel safety
    /// As [`write_all`](Self::write_all).
    ///
    /// # Kernel
    /// None of its own: what the destination asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncWrite as _;
    ///
    /// let mut sent = Vec::new();
    /// sent.write_all_vectored(("head", b"body".to_vec())).await?;
    /// assert_eq!(sent, b"headbody");
    /// # Ok(())
    /// # }
    /// ```
    fn write_all_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl Future<Output = BufResult<(), V>> {
        async move {
            match self.write_all(gather(&bufs)).await {
                Ok(((), _copy)) => Ok(((), bufs)),
                Err(error) => Err(BufError::new(error.into_error(), bufs)),
            }
        }
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWrite for &mut W {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write(buf)
    }

    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        (**self).flush()
    }

    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
        (**self).shutdown()
    }

    fn as_tcp_target(&self) -> Option<&TcpStream> {
        (**self).as_tcp_target()
    }

    fn as_pipe_target(&self) -> Option<&Sender> {
        (**self).as_pipe_target()
    }

    fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        (**self).write_all(buf)
    }

    fn write_all_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl Future<Output = BufResult<(), V>> {
        (**self).write_all_vectored(bufs)
    }
}

fn takes_no_more() -> io::Error {
    io::Error::new(io::ErrorKind::WriteZero, "the destination took no more bytes")
}
