//! Received bytes, lent to a parser.

use std::io;

use super::held::Held;
use super::stream::Socket;

/// Lends the bytes of a stream where they were received: [`fill_buf`](Self::fill_buf), then
/// [`consume`](Self::consume), as `std::io::BufRead` does.
///
/// While it holds bytes, no other reader of the stream gets what comes behind them. What is not
/// consumed when it is dropped goes back to the stream.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixStream;
///
/// let (left, right) = UnixStream::pair()?;
/// left.write_all("key=value").await?;
/// let mut reader = right.reader();
/// assert_eq!(reader.fill_buf().await?, b"key=value");
/// reader.consume(4);
/// assert_eq!(reader.fill_buf().await?, b"value");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader<'a> {
    held: Held<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(socket: &'a Socket) -> Self {
        Self { held: Held::new(socket) }
    }

    /// Bytes that are not consumed yet; waits for some if there are none. Empty at the end of the
    /// stream.
    ///
    /// # Errors
    /// As [`TcpStream::recv`](super::TcpStream::recv).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: bytes stay in the queue.
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](super::TcpStream::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("ping").await?;
    /// let mut reader = right.reader();
    /// assert_eq!(reader.fill_buf().await?, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.held.bytes().is_empty() {
            self.held.fill().await?;
        }
        Ok(self.held.bytes())
    }

    /// As [`fill_buf`](Self::fill_buf), with more bytes than last time, joined by a copy if need
    /// be. Gives no more than last time at the end of the stream.
    ///
    /// # Errors
    /// As [`fill_buf`](Self::fill_buf).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what was lent before is lent still, and the rest stays in
    /// the queue.
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](super::TcpStream::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// left.write_all("key=").await?;
    /// let mut reader = right.reader();
    /// assert_eq!(reader.fill_buf().await?, b"key=");
    /// left.write_all("value").await?;
    /// assert_eq!(reader.fill_more().await?, b"key=value");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fill_more(&mut self) -> io::Result<&[u8]> {
        self.held.fill().await?;
        Ok(self.held.bytes())
    }

    /// The bytes that are there already, without waiting.
    pub fn buffer(&self) -> &[u8] {
        self.held.bytes()
    }

    /// Uses up the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn consume(&mut self, n: usize) {
        self.held.consume(n);
    }
}
