//! A stream whose bytes are copied, in both directions.
//!
//! Owns: the stream, one lease of received bytes that are not used up, and whether the sending
//! direction has been ended. Does not own: what is to be sent (the stream's record).
//!
//! | dropped while | what happens |
//! |---|---|
//! | it holds received bytes | they are lost, their buffer goes back to the pool |
//! | a read waits | it leaves the queue of readers; no byte is lost |
//! | written bytes are not sent | the dropped handle sends them, within its bound, then closes |

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use annulus::buf::Lease;

use crate::handle::{Handle, Readable, Writable};

/// A stream as `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of tokio and of futures.
///
/// Reads copy out of the buffer into which the kernel received; while there is nothing to read, no
/// buffer is held. `poll_fill_buf` lends that buffer, and copies nothing. Writes copy into the send
/// queue, which is sent at the end of the turn of the core: no flush is needed to get bytes going.
/// Vectored writes are taken whole. The queue is bounded
/// ([`send_high_bytes`](annulus::runtime::Builder::send_high_bytes)); when it is full a write
/// waits.
///
/// Flushing waits until the kernel's socket has everything. Shutting down flushes, then ends the
/// sending direction; reading goes on until the peer ends its own.
///
/// # Errors
/// Those of the stream. A send that fails after its write was taken is reported once, by the next
/// write, flush or shutdown.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixStream;
/// use annulus_compat::Buffered;
/// use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
///
/// let (left, right) = UnixStream::pair()?;
/// let (mut left, mut right) = (Buffered::new(left), Buffered::new(right));
/// left.write_all(b"one line\nand more").await?;
/// left.shutdown().await?;
/// let mut line = String::new();
/// right.read_line(&mut line).await?;
/// assert_eq!(line, "one line\n");
/// let mut rest = String::new();
/// right.read_to_string(&mut rest).await?;
/// assert_eq!(rest, "and more");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Buffered<H: Handle> {
    stream: H,
    places: H::Places,
    held: Option<Lease>,
    ended: bool,
}

impl<H: Handle> Buffered<H> {
    /// Wraps a stream, a reference to one, or a half of one.
    pub fn new(stream: H) -> Self {
        let places = stream.places();
        Self { stream, places, held: None, ended: false }
    }

    /// The stream, for what is not reading or writing: its addresses, its options.
    pub fn get_ref(&self) -> &H {
        &self.stream
    }

    /// The stream, and what was received and not used up.
    pub fn into_parts(self) -> (H, Option<Lease>) {
        (self.stream, self.held.filter(|held| !held.is_empty()))
    }

    /// The bytes that are there already, without waiting.
    pub fn buffer(&self) -> &[u8] {
        self.held.as_deref().unwrap_or_default()
    }
}

impl<H: Readable> Buffered<H> {
    /// Bytes that are not used up; waits for some if there are none. Empty at the end of the
    /// stream.
    ///
    /// # Errors
    /// As [`TcpStream::recv`](annulus::net::TcpStream::recv).
    #[inline]
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.buffer().is_empty() {
            self.held = None;
            self.held = ready!(self.stream.poll_recv(&mut self.places, cx))?;
        }
        Poll::Ready(Ok(self.buffer()))
    }

    /// As [`poll_fill`](Self::poll_fill), with more bytes than there were, joined by a copy if need
    /// be. As many as there were, at the end of the stream.
    ///
    /// # Errors
    /// As [`poll_fill`](Self::poll_fill); what was there stays.
    pub fn poll_fill_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if let Some(more) = ready!(self.stream.poll_recv(&mut self.places, cx))? {
            self.held = Some(match self.held.take().filter(|held| !held.is_empty()) {
                Some(held) => Lease::from([&held[..], &more[..]].concat()),
                None => more,
            });
        }
        Poll::Ready(Ok(self.buffer()))
    }

    /// Uses up the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        match &mut self.held {
            Some(held) => held.advance(n),
            None => assert_eq!(n, 0, "consume({n}) with nothing to consume"),
        }
        if self.buffer().is_empty() {
            self.held = None; // its buffer goes back to the pool now
        }
    }

    /// Gives `take` as many bytes as are there, at most `room`, and uses them up; none at the end
    /// of the stream.
    ///
    /// # Errors
    /// As [`poll_fill`](Self::poll_fill).
    #[inline]
    pub fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let bytes = ready!(self.poll_fill(cx))?;
        let n = bytes.len().min(room);
        take(&bytes[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}

impl<H: Writable> Buffered<H> {
    /// Takes as many of the bytes as there is room for, and gives how many that were.
    ///
    /// # Errors
    /// That of an earlier write; `BrokenPipe` after a shutdown.
    #[inline]
    pub fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write(&mut self.places, cx, bufs)
    }

    /// Waits until the kernel's socket has everything that was written.
    ///
    /// # Errors
    /// That of an earlier write.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(&mut self.places, cx)
    }

    /// The error of an earlier write, if it has one by now and nobody was told.
    ///
    /// It does not wait. What was written is on its way without it.
    ///
    /// # Errors
    /// That of an earlier write.
    pub fn check(&self) -> io::Result<()> {
        if self.ended { Ok(()) } else { self.stream.check() }
    }

    /// Waits until everything is sent, then ends the sending direction.
    ///
    /// # Errors
    /// That of an earlier write; those of shutdown(2), but for a connection that is gone already.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        if !self.ended {
            self.stream.end()?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}
