//! What is written to a connection.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use annulus::buf::{BufError, BufResult, IoBuf};
use annulus_compat::{Handle, Writable};

use super::TlsStream;

impl<H: Writable> TlsStream<H> {
    /// Encrypts bytes of `buf` and queues them, as many as one turn should take, once there is room
    /// in the send queue. Gives how many that were.
    ///
    /// # Errors
    /// `BrokenPipe` after [`shutdown`](Self::shutdown); `InvalidData` if the peer broke the
    /// protocol; those of the stream below, of earlier writes, too. With the buffer.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready sends nothing of the buffer.
    ///
    /// # Kernel
    /// As [`TcpStream::send_nowait`](annulus::net::TcpStream::send_nowait).
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     let (n, _) = stream.write("hello").await?;
    ///     println!("{n} of 5 bytes are queued");
    ///     Ok(())
    /// }
    /// ```
    pub async fn write<B: IoBuf>(&self, buf: B) -> BufResult<usize, B> {
        let mut places = self.below.places();
        let parts = [IoSlice::new(buf.as_init())];
        match poll_fn(|cx| self.poll_encrypt(&mut places, cx, &parts)).await {
            Ok(n) => Ok((n, buf)),
            Err(error) => Err(BufError::new(error, buf)),
        }
    }

    /// Encrypts and queues all bytes of `buf`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// Dropping the future sends the part that it has queued, in whole records, and no more.
    ///
    /// # Kernel
    /// As [`write`](Self::write).
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     stream.write_all("hello").await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn write_all<B: IoBuf>(&self, buf: B) -> BufResult<(), B> {
        let mut places = self.below.places();
        let mut written = 0;
        while written < buf.bytes_len() {
            let rest = [IoSlice::new(&buf.as_init()[written..])];
            match poll_fn(|cx| self.poll_encrypt(&mut places, cx, &rest)).await {
                Ok(n) => written += n,
                Err(error) => return Err(BufError::new(error, buf)),
            }
        }
        Ok(((), buf))
    }

    /// Waits until the kernel's socket has everything that was written.
    ///
    /// # Errors
    /// That of a send that failed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what was written is sent.
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     stream.write_all("hello").await?;
    ///     stream.flush().await?; // the kernel has it
    ///     Ok(())
    /// }
    /// ```
    pub async fn flush(&self) -> io::Result<()> {
        let mut places = self.below.places();
        poll_fn(|cx| self.poll_flush(&mut places, cx)).await
    }

    /// Ends this direction: says so by a close_notify, behind what was written, waits until the
    /// kernel has it, and ends the direction of the stream below. Reading goes on until the peer
    /// ends its own.
    ///
    /// # Errors
    /// That of a send that failed.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll leaves the close_notify queued, and the stream
    /// below open; another call goes on.
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     stream.write_all("that is all").await?;
    ///     stream.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn shutdown(&self) -> io::Result<()> {
        let mut places = self.below.places();
        poll_fn(|cx| self.poll_shutdown(&mut places, cx)).await
    }

    pub(crate) fn poll_shutdown(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.state().engine.is_closed() {
            ready!(self.below.poll_room(places, cx))?;
            self.close()?;
        }
        ready!(self.poll_flush(places, cx))?;
        Poll::Ready(self.below.end())
    }
}

impl<H: Handle> TlsStream<H> {
    /// Encrypts the bytes and queues them, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if the send queue has no room (nothing was taken; await `flush`); as
    /// [`write`](Self::write).
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.queue(bytes)
    }
}
