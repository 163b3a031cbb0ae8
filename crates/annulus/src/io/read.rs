//! Reading bytes from anything.
//!
//! Owns: [`AsyncRead`], and the readers that its methods make. Does not own: where bytes come from.
//!
//! Invariants: a buffer goes in by value and comes back with the result; a count of 0 is the end of
//! the stream, never a buffer without room.

use std::future::Future;
use std::io;

use crate::buf::{BufError, BufResult, IoBufMut, Lease, Slice};
use crate::net::TcpStream;
use crate::pipe::Receiver;

/// Room for one piece, where a reader has no buffers of its own.
const PIECE_BYTES: usize = 8192;

/// Something that bytes can be read from, into buffers that the kernel may borrow.
///
/// The counterpart of [`std::io::Read`] for completions. One method is required. Handles of which
/// all methods take `&self`, [`TcpStream`](crate::net::TcpStream) among them, implement it for
/// references too, so that one task can read while another writes.
///
/// ```
/// use annulus::io::AsyncRead;
///
/// async fn first_byte(mut from: impl AsyncRead) -> std::io::Result<u8> {
///     let ((), buf) = from.read_exact(vec![0]).await?;
///     Ok(buf[0])
/// }
///
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let (left, right) = annulus::net::UnixStream::pair()?;
/// left.write_all("x").await?;
/// assert_eq!(first_byte(&right).await?, b'x');
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AsyncReadRent")]
pub trait AsyncRead {
    /// Reads what is there, at most as much as the buffer has room for, from the buffer's first
    /// byte on. Gives 0 at the end of the stream.
    ///
    /// # Errors
    /// `InvalidInput` for a buffer without room; those of the source. The error gives the buffer
    /// back.
    ///
    /// # Cancel safety
    /// Whether dropping the future can lose bytes is for the source to say. Sockets lose none.
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncRead as _;
    ///
    /// let mut source = &b"hello world"[..];
    /// let (n, buf) = source.read(vec![0; 5]).await?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>>;

    /// The next piece, in memory that the source chooses, and `None` at the end of the stream.
    ///
    /// Sockets lend the bytes where the kernel put them, so that nothing is copied and none is held
    /// while they wait. Other sources read into a vector.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncRead as _;
    ///
    /// let mut source = &b"hello"[..];
    /// while let Some(piece) = source.recv().await? {
    ///     println!("{} bytes", piece.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn recv(&mut self) -> impl Future<Output = io::Result<Option<Lease>>> {
        async move {
            let (n, buf) = self.read(Vec::with_capacity(PIECE_BYTES)).await?;
            Ok((n > 0).then(|| Lease::from(buf)))
        }
    }

    /// The TCP stream behind it, if bytes may go from that directly: [`copy`](super::copy) then
    /// moves large amounts from socket to socket in the kernel. Nothing by default.
    fn as_tcp_source(&self) -> Option<&TcpStream> {
        None
    }

    /// The pipe behind it, if bytes may go from that directly: [`copy`](super::copy) then moves
    /// them in the kernel, to another pipe or to a socket. Nothing by default.
    fn as_pipe_source(&self) -> Option<&Receiver> {
        None
    }

    /// Fills the buffer.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream ends before; as [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping the future loses what it has read, unless the source says otherwise.
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncRead as _;
    ///
    /// let mut source = &b"hello world"[..];
    /// let ((), word) = source.read_exact(vec![0; 5]).await?;
    /// assert_eq!(word, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn read_exact<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        async move {
            let mut rest = buf.slice_mut(..);
            loop {
                let read = self.read(rest).await;
                let (n, part) = read.map_err(|error| error.map_buf(Slice::into_inner))?;
                rest = part;
                rest.advance(n);
                if rest.bytes_capacity() == 0 {
                    return Ok(((), rest.into_inner()));
                }
                if n == 0 {
                    let ended = ended_early(rest.begin(), rest.end());
                    return Err(BufError::new(ended, rest.into_inner()));
                }
            }
        }
    }

    /// Appends everything up to the end of the stream, and gives how much that was.
    ///
    /// # Errors
    /// As [`read`](Self::read), with what was read so far.
    ///
    /// # Cancel safety
    /// Dropping the future loses what it has read.
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncRead as _;
    ///
    /// let mut source = &b"hello"[..];
    /// let (n, bytes) = source.read_to_end(Vec::new()).await?;
    /// assert_eq!((n, &bytes[..]), (5, &b"hello"[..]));
    /// # Ok(())
    /// # }
    /// ```
    fn read_to_end(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        async move {
            let (mut buf, before) = {
                let before = buf.len();
                (buf, before)
            };
            loop {
                if buf.len() == buf.capacity() {
                    buf.reserve(PIECE_BYTES.max(buf.len()));
                }
                let read = self.read(buf.spare()).await;
                let (n, part) = read.map_err(|error| error.map_buf(Slice::into_inner))?;
                buf = part.into_inner();
                if n == 0 {
                    return Ok((buf.len() - before, buf));
                }
            }
        }
    }

    /// Appends everything up to the end of the stream, which must be UTF-8, and gives how many
    /// bytes that were.
    ///
    /// # Errors
    /// `InvalidData` if it is not UTF-8; as [`read`](Self::read). The string comes back as it was.
    ///
    /// # Cancel safety
    /// Dropping the future loses what it has read.
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncRead as _;
    ///
    /// let mut source = &b"hello"[..];
    /// let (_, text) = source.read_to_string(String::new()).await?;
    /// assert_eq!(text, "hello");
    /// # Ok(())
    /// # }
    /// ```
    fn read_to_string(&mut self, buf: String) -> impl Future<Output = BufResult<usize, String>> {
        async move {
            let read = self.read_to_end(Vec::new()).await;
            let bytes = match read {
                Ok((_, bytes)) => bytes,
                Err(error) => return Err(BufError::new(error.into_error(), buf)),
            };
            match std::str::from_utf8(&bytes) {
                Ok(text) => Ok((text.len(), buf + text)),
                Err(error) => {
                    Err(BufError::new(io::Error::new(io::ErrorKind::InvalidData, error), buf))
                }
            }
        }
    }

    /// A reader that ends after `bytes` bytes, if this one does not before.
    fn take(self, bytes: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take { inner: self, left: bytes }
    }

    /// A reader that goes on with `next` when this one has ended.
    fn chain<R: AsyncRead>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
    {
        Chain { first: Some(self), second: next }
    }
}

impl<R: AsyncRead + ?Sized> AsyncRead for &mut R {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read(buf)
    }

    fn recv(&mut self) -> impl Future<Output = io::Result<Option<Lease>>> {
        (**self).recv()
    }

    fn as_tcp_source(&self) -> Option<&TcpStream> {
        (**self).as_tcp_source()
    }

    fn as_pipe_source(&self) -> Option<&Receiver> {
        (**self).as_pipe_source()
    }

    fn read_exact<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        (**self).read_exact(buf)
    }
}

pub(crate) fn ended_early(filled: usize, room: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("the stream ended after {filled} of {room} bytes"),
    )
}

/// The reader of [`AsyncRead::take`].
#[derive(Clone, Debug)]
pub struct Take<R> {
    inner: R,
    left: u64,
}

impl<R> Take<R> {
    /// How many bytes may still be read.
    pub fn limit(&self) -> u64 {
        self.left
    }

    /// The reader below, where this one has left it.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        if self.left == 0 {
            // A buffer without room is an error here, too.
            return super::memory::read_from(&mut &[][..], buf);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.bytes_capacity());
        let read = self.inner.read(buf.slice_mut(..most)).await;
        let (n, part) = read.map_err(|error| error.map_buf(Slice::into_inner))?;
        self.left -= n as u64;
        Ok((n, part.into_inner()))
    }
}

/// The reader of [`AsyncRead::chain`].
#[derive(Clone, Debug)]
pub struct Chain<A, B> {
    first: Option<A>,
    second: B,
}

impl<A: AsyncRead, R: AsyncRead> AsyncRead for Chain<A, R> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let Some(first) = &mut self.first else {
            return self.second.read(buf).await;
        };
        let (n, buf) = first.read(buf).await?;
        if n > 0 {
            return Ok((n, buf));
        }
        self.first = None;
        self.second.read(buf).await
    }

    async fn recv(&mut self) -> io::Result<Option<Lease>> {
        if let Some(first) = &mut self.first {
            let piece = first.recv().await?;
            if piece.is_some() {
                return Ok(piece);
            }
            self.first = None;
        }
        self.second.recv().await
    }
}
