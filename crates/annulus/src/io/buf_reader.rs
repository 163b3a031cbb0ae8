//! A reader that lends, made of any reader.
//!
//! Owns: the piece that was received and is not used up. Invariant: it has no buffer of its own; it
//! holds what [`AsyncRead::recv`] gave, and nothing while it waits.

use std::io;

use super::{AsyncBufRead, AsyncRead, AsyncWrite};
use crate::buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, Lease};

/// Lends the bytes of a reader; see [`AsyncBufRead`].
///
/// Over a socket nothing is copied: it holds the kernel's buffer until the bytes are used up. Bytes
/// that it holds when it is dropped are lost; [`net::Reader`](crate::net::Reader) gives them back.
///
/// Writing passes through, so it can be put around a connection.
#[derive(Debug)]
pub struct BufReader<R> {
    inner: R,
    held: Option<Lease>,
}

impl<R> BufReader<R> {
    /// A reader that holds nothing yet.
    pub fn new(inner: R) -> Self {
        Self { inner, held: None }
    }

    /// The bytes that are there already, without waiting.
    pub fn buffer(&self) -> &[u8] {
        self.held.as_deref().unwrap_or_default()
    }

    /// The reader below.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader below. Reading from it directly overtakes the bytes that are held here.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The reader below, and what was received and not used up.
    pub fn into_parts(self) -> (R, Option<Lease>) {
        (self.inner, self.held)
    }

    /// What is held, if it is not used up.
    fn take_held(&mut self) -> Option<Lease> {
        self.held.take().filter(|held| !held.is_empty())
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let Some(mut held) = self.take_held() else {
            return self.inner.read(buf).await;
        };
        let read = super::memory::read_from(&mut &held[..], buf);
        held.advance(read.as_ref().map_or(0, |&(n, _)| n));
        self.held = Some(held);
        read
    }

    async fn recv(&mut self) -> io::Result<Option<Lease>> {
        match self.take_held() {
            Some(held) => Ok(Some(held)),
            None => self.inner.recv().await,
        }
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer().is_empty() {
            self.held = self.inner.recv().await?;
        }
        Ok(self.buffer())
    }

    fn consume(&mut self, n: usize) {
        match &mut self.held {
            Some(held) => held.advance(n),
            None => assert_eq!(n, 0, "nothing is there to be used up"),
        }
    }
}

impl<R: AsyncWrite> AsyncWrite for BufReader<R> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        self.inner.write(buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.inner.shutdown().await
    }

    async fn write_all<B: IoBuf>(&mut self, buf: B) -> BufResult<(), B> {
        self.inner.write_all(buf).await
    }

    async fn write_all_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<(), V> {
        self.inner.write_all_vectored(bufs).await
    }
}
