//! The two directions of a stream, owned apart.
//!
//! Owns: the two halves. Does not own: what ending one means (the stream's `shutdown` does).

use std::fmt;
use std::io;
use std::sync::Arc;

use super::{AsyncRead, AsyncWrite};
use crate::buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, Lease};

/// Splits a stream into halves that two tasks can own.
///
/// The stream is dropped with the later half. Dropping the writing half does not end its direction:
/// [`shutdown`](AsyncWrite::shutdown) does.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::io::{AsyncRead, AsyncWrite, split};
///
/// let (left, right) = annulus::net::UnixStream::pair()?;
/// let (mut reader, mut writer) = split(left);
/// let reading = annulus::spawn(async move { reader.read_to_string(String::new()).await });
/// writer.write_all("question").await?;
/// assert_eq!(&*right.recv().await?.expect("a question"), b"question");
/// right.write_all("answer").await?;
/// drop(right);
/// let (_, answer) = reading.await.expect("it does not panic")?;
/// assert_eq!(answer, "answer");
/// # Ok(())
/// # }
/// ```
pub fn split<T>(stream: T) -> (ReadHalf<T>, WriteHalf<T>)
where
    for<'a> &'a T: AsyncRead + AsyncWrite,
{
    let stream = Arc::new(stream);
    (ReadHalf { stream: Arc::clone(&stream) }, WriteHalf { stream })
}

/// The reading half of a stream; see [`split`].
pub struct ReadHalf<T> {
    stream: Arc<T>,
}

/// The writing half of a stream; see [`split`].
pub struct WriteHalf<T> {
    stream: Arc<T>,
}

impl<T> ReadHalf<T> {
    /// Whether the two are halves of one stream.
    pub fn is_pair_of(&self, other: &WriteHalf<T>) -> bool {
        Arc::ptr_eq(&self.stream, &other.stream)
    }

    /// The stream, for what is not reading: its addresses, its options.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// The stream again.
    ///
    /// # Errors
    /// Both halves, if they are not of one stream.
    pub fn unsplit(self, other: WriteHalf<T>) -> Result<T, (Self, WriteHalf<T>)> {
        if !self.is_pair_of(&other) {
            return Err((self, other));
        }
        drop(other);
        Arc::try_unwrap(self.stream)
            .map_err(|_| unreachable!("a stream has two halves, and the other one was dropped"))
    }
}

impl<T> WriteHalf<T> {
    /// The stream, for what is not writing: its addresses, its options.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }
}

impl<T> AsyncRead for ReadHalf<T>
where
    for<'a> &'a T: AsyncRead,
{
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        (&*self.stream).read(buf).await
    }

    async fn recv(&mut self) -> io::Result<Option<Lease>> {
        (&*self.stream).recv().await
    }

    async fn read_exact<B: IoBufMut>(&mut self, buf: B) -> BufResult<(), B> {
        (&*self.stream).read_exact(buf).await
    }
}

impl<T> AsyncWrite for WriteHalf<T>
where
    for<'a> &'a T: AsyncWrite,
{
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        (&*self.stream).write(buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush().await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        (&*self.stream).shutdown().await
    }

    async fn write_all<B: IoBuf>(&mut self, buf: B) -> BufResult<(), B> {
        (&*self.stream).write_all(buf).await
    }

    async fn write_all_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<(), V> {
        (&*self.stream).write_all_vectored(bufs).await
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(&self.stream).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(&self.stream).finish()
    }
}
