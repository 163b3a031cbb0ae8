//! A writer that collects small pieces.
//!
//! Owns: the bytes that were written and not passed on. Invariants: bytes are passed on in order,
//! and at most once; once it is not known whether all arrived, nothing more is passed on.

use std::io;

use super::{AsyncBufRead, AsyncRead, AsyncWrite};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, Lease};

/// Collects small writes into large ones.
///
/// What is collected is written when [`flush`](AsyncWrite::flush) or
/// [`shutdown`](AsyncWrite::shutdown) is awaited, or when the next piece does not fit. Dropping it
/// loses what is not written: nothing can be awaited there.
///
/// Sockets do not need it: [`send_nowait`](crate::net::TcpStream::send_nowait) collects what is
/// sent in a turn.
///
/// Reading passes through, so it can be put around a connection.
///
/// # Errors
/// If the writer below fails while it is given what was collected, that is lost: an error does not
/// tell how much was taken. From then on every write, flush and shutdown fails as well, with kind
/// `Other`, so that nothing is written behind a gap. Whoever can do with the gap goes on with the
/// writer below, out of [`into_parts`](Self::into_parts).
///
/// # Cancel safety
/// Dropping the future of a write, a flush or a shutdown while the writer below is given what was
/// collected has the same end, whatever that writer is: bytes may be missing, and every later call
/// says so. Before that and after it, nothing is lost. To bound a flush and go on afterwards, keep
/// its future and await that again.
#[derive(Debug)]
pub struct BufWriter<W> {
    inner: W,
    held: Vec<u8>,
    capacity: usize,
    /// What was collected is with the writer below, which has not said that it took all of it: it
    /// is being passed on, or that was given up or failed.
    passing: bool,
}

impl<W> BufWriter<W> {
    /// A writer that collects up to 8 KiB.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(8192, inner)
    }

    /// A writer that collects up to `bytes` bytes. Memory is taken when something is written.
    pub fn with_capacity(bytes: usize, inner: W) -> Self {
        Self { inner, held: Vec::new(), capacity: bytes, passing: false }
    }

    /// What is collected and not written. What was lost with a future or by an error is not in it.
    pub fn buffer(&self) -> &[u8] {
        &self.held
    }

    /// The writer below.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer below. Writing to it directly overtakes the bytes that are held here.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The writer below, and what is collected and not written. What was lost with a future or by
    /// an error is not in it.
    pub fn into_parts(self) -> (W, Vec<u8>) {
        (self.inner, self.held)
    }

    /// All that was collected before has arrived, or is here.
    fn is_whole(&self) -> io::Result<()> {
        if self.passing { Err(gap()) } else { Ok(()) }
    }
}

fn gap() -> io::Error {
    io::Error::other(
        "collected bytes may be lost: an earlier write, flush or shutdown was dropped while it \
         passed them on, or failed (BufWriter::into_parts gives the writer below, to go on \
         behind the gap)",
    )
}

impl<W: AsyncWrite> BufWriter<W> {
    /// Passes on what is collected.
    async fn pass_on(&mut self) -> io::Result<()> {
        self.is_whole()?;
        if self.held.is_empty() {
            return Ok(());
        }
        // Stays so if the future is dropped here, and after an error.
        self.passing = true;
        let ((), mut passed) = self.inner.write_all(std::mem::take(&mut self.held)).await?;
        self.passing = false;
        passed.clear();
        self.held = passed;
        Ok(())
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    /// Collects the bytes, behind what was collected before; what is too large to be collected is
    /// written at once.
    ///
    /// # Errors
    /// Those of the writer below; if earlier bytes may be lost, as at [`BufWriter`]. The error
    /// gives the buffer back. If it came of passing on what was collected, that is lost, and
    /// nothing of this buffer was taken.
    ///
    /// # Cancel safety
    /// A buffer that fits is taken at once. Else as at [`BufWriter`] for earlier bytes, and as the
    /// [`write`](AsyncWrite::write) of the writer below for a buffer that is too large.
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        let len = buf.bytes_len();
        let fits = self.held.len() + len <= self.capacity;
        let ready = if fits { self.is_whole() } else { self.pass_on().await };
        if let Err(error) = ready {
            return Err(BufError::new(error, buf));
        }
        if len >= self.capacity {
            return self.inner.write(buf).await;
        }
        if self.held.capacity() == 0 {
            self.held.reserve_exact(self.capacity);
        }
        self.held.extend_from_slice(buf.as_init());
        Ok((len, buf))
    }

    /// Passes on what is collected, and flushes the writer below.
    ///
    /// # Errors
    /// Those of the writer below: what was being passed on is lost then. If earlier bytes may be
    /// lost, as at [`BufWriter`].
    ///
    /// # Cancel safety
    /// As at [`BufWriter`]; once all is passed on, as the writer below.
    async fn flush(&mut self) -> io::Result<()> {
        self.pass_on().await?;
        self.inner.flush().await
    }

    /// Passes on what is collected, and shuts down the writer below: not after a gap, which would
    /// look whole.
    ///
    /// # Errors
    /// As [`flush`](AsyncWrite::flush).
    ///
    /// # Cancel safety
    /// As [`flush`](AsyncWrite::flush).
    async fn shutdown(&mut self) -> io::Result<()> {
        self.pass_on().await?;
        self.inner.shutdown().await
    }
}

impl<W: AsyncRead> AsyncRead for BufWriter<W> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        self.inner.read(buf).await
    }

    async fn recv(&mut self) -> io::Result<Option<Lease>> {
        self.inner.recv().await
    }
}

impl<W: AsyncBufRead> AsyncBufRead for BufWriter<W> {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf().await
    }

    fn consume(&mut self, n: usize) {
        self.inner.consume(n);
    }
}
