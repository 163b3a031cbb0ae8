//! Reading what is lent: parsers, lines.
//!
//! Owns: [`AsyncBufRead`] and [`Lines`]. Does not own: the memory that is lent.

use std::future::Future;
use std::io;

use super::AsyncRead;

/// A reader that lends its bytes, where they are, until they are used up.
///
/// The counterpart of [`std::io::BufRead`]. [`BufReader`](super::BufReader) makes one of any
/// reader; [`net::Reader`](crate::net::Reader) is one of a socket.
///
/// ```
/// use annulus::io::{AsyncBufRead, BufReader};
///
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let (left, right) = annulus::net::UnixStream::pair()?;
/// left.write_all("GET / HTTP/1.1\r\nhost: here\r\n\r\n").await?;
/// let mut lines = BufReader::new(&right).lines();
/// assert_eq!(lines.next_line().await?.as_deref(), Some("GET / HTTP/1.1"));
/// assert_eq!(lines.next_line().await?.as_deref(), Some("host: here"));
/// # Ok(())
/// # }
/// ```
pub trait AsyncBufRead: AsyncRead {
    /// Bytes that are not used up; waits for some if there are none. Empty at the end of the
    /// stream.
    ///
    /// # Errors
    /// Those of the source.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing, if that is so for the source's
    /// [`recv`](AsyncRead::recv).
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncBufRead as _;
    ///
    /// let mut text = &b"hello world"[..];
    /// assert_eq!(text.fill_buf().await?, b"hello world");
    /// text.consume(6);
    /// assert_eq!(text.fill_buf().await?, b"world");
    /// # Ok(())
    /// # }
    /// ```
    fn fill_buf(&mut self) -> impl Future<Output = io::Result<&[u8]>>;

    /// Uses up the first `n` bytes of what [`fill_buf`](Self::fill_buf) gave.
    ///
    /// # Panics
    /// If there are fewer.
    fn consume(&mut self, n: usize);

    /// Appends everything up to the `delimiter`, which is appended too, or up to the end of the
    /// stream. Gives how many bytes that were; 0 at the end.
    ///
    /// # Errors
    /// Those of the source. What was read before stays in `buf`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: `buf` has what was read, and another call goes on.
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncBufRead as _;
    ///
    /// let mut pairs = &b"a=1;b=2"[..];
    /// let mut pair = Vec::new();
    /// assert_eq!(pairs.read_until(b';', &mut pair).await?, 4);
    /// assert_eq!(pair, b"a=1;");
    /// # Ok(())
    /// # }
    /// ```
    fn read_until(
        &mut self,
        delimiter: u8,
        buf: &mut Vec<u8>,
    ) -> impl Future<Output = io::Result<usize>> {
        async move {
            let mut read = 0;
            loop {
                let bytes = self.fill_buf().await?;
                let found = bytes.iter().position(|&byte| byte == delimiter);
                let used = found.map_or(bytes.len(), |index| index + 1);
                buf.extend_from_slice(&bytes[..used]);
                self.consume(used);
                read += used;
                if found.is_some() || used == 0 {
                    return Ok(read);
                }
            }
        }
    }

    /// Appends a line with its end (`\n` or `\r\n`), or what the stream ends with. Gives how many
    /// bytes that were; 0 at the end.
    ///
    /// # Errors
    /// `InvalidData` if the line is not UTF-8 (it is used up, and `line` as it was); those of the
    /// source.
    ///
    /// # Cancel safety
    /// Dropping the future loses the part of the line that was there. [`lines`](Self::lines) does
    /// not.
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncBufRead as _;
    ///
    /// let mut text = &b"first\nsecond\n"[..];
    /// let mut line = String::new();
    /// text.read_line(&mut line).await?;
    /// assert_eq!(line, "first\n");
    /// # Ok(())
    /// # }
    /// ```
    fn read_line(&mut self, line: &mut String) -> impl Future<Output = io::Result<usize>> {
        async move {
            let mut bytes = Vec::new();
            let read = self.read_until(b'\n', &mut bytes).await?;
            line.push_str(text(&bytes)?);
            Ok(read)
        }
    }

    /// The lines of this reader, without their ends.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines { inner: self, part: Vec::new() }
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufRead for &mut R {
    fn fill_buf(&mut self) -> impl Future<Output = io::Result<&[u8]>> {
        (**self).fill_buf()
    }

    fn consume(&mut self, n: usize) {
        (**self).consume(n);
    }
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The lines of a reader, made by [`AsyncBufRead::lines`].
#[derive(Debug)]
pub struct Lines<R> {
    inner: R,
    /// What is there of a line whose end is not.
    part: Vec<u8>,
}

impl<R: AsyncBufRead> Lines<R> {
    /// The next line without its end (`\n` or `\r\n`); `None` at the end of the stream.
    ///
    /// # Errors
    /// `InvalidData` if the line is not UTF-8: it is used up, and the next call gives the next one.
    /// Those of the source.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing, if that is so for the source's
    /// [`recv`](AsyncRead::recv).
    ///
    /// # Kernel
    /// None of its own: what the source asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncBufRead as _;
    ///
    /// let mut lines = (&b"first\nsecond\n"[..]).lines();
    /// while let Some(line) = lines.next_line().await? {
    ///     println!("{line}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        let read = self.inner.read_until(b'\n', &mut self.part).await?;
        if read == 0 && self.part.is_empty() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.part);
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        text(&line)?;
        String::from_utf8(line)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The reader below. What is there of an unfinished line is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }
}
