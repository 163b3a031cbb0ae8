//! A stream of Annulus as hyper reads and writes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus::buf::Lease;
use annulus_compat::{Buffered, Handle, Readable, Writable};
use hyper::rt::{Read, ReadBufCursor, Write};

/// A stream as hyper's [`Read`] and [`Write`]: [`Buffered`] under the names of hyper.
///
/// Reads copy from where the kernel put the bytes into hyper's buffer, which is not zeroed for
/// that. Writes, vectored ones too, copy into the send queue of the stream, which goes out once at
/// the end of the turn. So flushing has nothing to wait for: it reports the error of an earlier
/// write. Shutting down waits until everything is sent, then ends the direction.
///
/// It is `Send` when the handle is, so a connection of hyper may be upgraded; see
/// [`hyper::upgrade::Upgraded::downcast`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use annulus::net::TcpListener;
/// use annulus_http::Io;
/// use hyper::service::service_fn;
/// use hyper::Response;
/// use hyper::body::Bytes;
/// use hyper::server::conn::http1;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// # annulus::spawn(annulus::net::TcpStream::connect(listener.local_addr()?));
/// let (stream, _peer) = listener.accept().await?;
/// let hello = service_fn(|_request| async {
///     Ok::<_, std::io::Error>(Response::new(http_body_util::Full::<Bytes>::from("hello\n")))
/// });
/// http1::Builder::new().serve_connection(Io::new(stream), hello).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Io<H: Handle> {
    buffered: Buffered<H>,
}

impl<H: Handle> Io<H> {
    /// Wraps a stream.
    pub fn new(stream: H) -> Self {
        Self { buffered: Buffered::new(stream) }
    }

    /// The stream, for its addresses and options.
    pub fn get_ref(&self) -> &H {
        self.buffered.get_ref()
    }

    /// The stream for the traits of tokio and of futures.
    pub fn into_buffered(self) -> Buffered<H> {
        self.buffered
    }

    /// The stream, and what was received and not read.
    pub fn into_parts(self) -> (H, Option<Lease>) {
        self.buffered.into_parts()
    }

    pub(crate) fn buffered(&mut self) -> &mut Buffered<H> {
        &mut self.buffered
    }
}

impl<H: Handle> From<Buffered<H>> for Io<H> {
    fn from(buffered: Buffered<H>) -> Self {
        Self { buffered }
    }
}

impl<H: Readable + Unpin> Read for Io<H> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buf.remaining();
        let taken = self.get_mut().buffered.poll_take(cx, room, |bytes| buf.put_slice(bytes));
        taken.map_ok(drop)
    }
}

impl<H: Writable + Unpin> Write for Io<H> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().buffered.poll_write_slices(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().buffered.poll_write_slices(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.buffered.check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().buffered.poll_end(cx)
    }
}
