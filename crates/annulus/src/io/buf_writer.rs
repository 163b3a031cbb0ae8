//! A writer that collects small pieces.
//!
//! Owns: the bytes that were written and not passed on. Invariant: bytes are passed on in order,
//! and at most once.

use std::io;

use super::{AsyncBufRead, AsyncRead, AsyncWrite};
use crate::buf::{BufResult, IoBuf, IoBufMut, Lease};

/// Collects small writes into large ones.
///
/// What is collected is written when [`flush`](AsyncWrite::flush) or
/// [`shutdown`](AsyncWrite::shutdown) is awaited, or when the next piece does not fit. Dropping it
/// loses what is not written: nothing can be awaited there. So does an error of the writer below,
/// because it does not tell how much was taken.
///
/// Sockets do not need it: [`send_nowait`](crate::net::TcpStream::send_nowait) collects what is
/// sent in a turn.
///
/// Reading passes through, so it can be put around a connection.
#[derive(Debug)]
pub struct BufWriter<W> {
    inner: W,
    held: Vec<u8>,
    capacity: usize,
}

impl<W> BufWriter<W> {
    /// A writer that collects up to 8 KiB.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(8192, inner)
    }

    /// A writer that collects up to `bytes` bytes. Memory is taken when something is written.
    pub fn with_capacity(bytes: usize, inner: W) -> Self {
        Self { inner, held: Vec::new(), capacity: bytes }
    }

    /// What is collected and not written.
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

    /// The writer below, and what is collected and not written.
    pub fn into_parts(self) -> (W, Vec<u8>) {
        (self.inner, self.held)
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// Passes on what is collected. If the future is dropped, the writer below has it.
    async fn pass_on(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        match self.inner.write_all(std::mem::take(&mut self.held)).await {
            Ok(((), mut passed)) => {
                passed.clear();
                self.held = passed;
                Ok(())
            }
            Err(error) => Err(error.into_error()),
        }
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        let len = buf.bytes_len();
        if self.held.len() + len > self.capacity {
            if let Err(error) = self.pass_on().await {
                return Err(crate::buf::BufError::new(error, buf));
            }
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

    async fn flush(&mut self) -> io::Result<()> {
        self.pass_on().await?;
        self.inner.flush().await
    }

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
