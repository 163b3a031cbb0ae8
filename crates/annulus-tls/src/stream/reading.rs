//! What is read of a connection.

use std::future::poll_fn;
use std::io;

use annulus::buf::{self, BufError, BufResult, IoBufMut, Lease, Slice};
use annulus::net::Parsed;
use annulus_compat::Readable;

use super::TlsStream;

impl<H: Readable> TlsStream<H> {
    /// The next bytes: what has arrived in whole records; `None` when the peer has ended its
    /// direction.
    ///
    /// # Errors
    /// `UnexpectedEof` if the connection ended without a close_notify; `InvalidData` if the peer
    /// broke the protocol; those of the stream below.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what has arrived stays for the next reader.
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](annulus::net::TcpStream::recv).
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     while let Some(lease) = stream.recv().await? {
    ///         println!("{} bytes", lease.len());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn recv(&self) -> io::Result<Option<Lease>> {
        let mut places = self.below.places();
        poll_fn(|cx| self.poll_lease(&mut places, cx)).await
    }

    /// Reads into `buf`, from its start up to its capacity. Gives the number of bytes, 0 at the
    /// end.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), with the buffer; `InvalidInput` for a buffer without capacity.
    ///
    /// # Cancel safety
    /// Dropping the future drops the buffer, and loses no byte.
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     let (n, buf) = stream.read(vec![0; 4096]).await?;
    ///     println!("{n} bytes, the first of them {:?}", buf.first());
    ///     Ok(())
    /// }
    /// ```
    pub async fn read<B: IoBufMut>(&self, mut buf: B) -> BufResult<usize, B> {
        if let Err(error) = buf::receive_len(&buf) {
            return Err(BufError::new(error, buf));
        }
        let mut places = self.below.places();
        let read =
            poll_fn(|cx| self.poll_take(&mut places, cx, |bytes| buf::fill(&mut buf, bytes)));
        match read.await {
            Ok(n) => Ok((n, buf)),
            Err(error) => Err(BufError::new(error, buf)),
        }
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// As [`read`](Self::read); `UnexpectedEof` if the peer ends its direction before, with what
    /// was read.
    ///
    /// # Cancel safety
    /// Dropping the future loses what it has read: [`with_data`](Self::with_data) loses nothing.
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     let ((), head) = stream.read_exact(vec![0; 16]).await?;
    ///     assert_eq!(head.len(), 16);
    ///     Ok(())
    /// }
    /// ```
    pub async fn read_exact<B: IoBufMut>(&self, buf: B) -> BufResult<(), B> {
        let mut rest = buf.slice_mut(..);
        while rest.bytes_capacity() > 0 {
            let read = self.read(rest).await;
            let (n, part) = read.map_err(|error| error.map_buf(Slice::into_inner))?;
            rest = part;
            rest.advance(n);
            if n == 0 {
                let text =
                    format!("the stream ended after {} of {} bytes", rest.begin(), rest.end());
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                return Err(BufError::new(error, rest.into_inner()));
            }
        }
        Ok(((), rest.into_inner()))
    }

    /// Hands received bytes to `parse` until it consumes some. Gives how many it consumed; 0 means
    /// that the peer has ended its direction and nothing is left. What is not consumed comes again
    /// at the next call. While the send queue has no room `parse` is not called: a peer that does
    /// not read what it is sent is not read from either.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); `UnexpectedEof` if the stream ends in bytes that `parse` did not
    /// consume.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what `parse` did not consume comes again at the next
    /// call.
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(stream: TlsStream<TcpStream>) -> Outcome {
    ///     use annulus::net::Parsed;
    ///
    ///     let n = stream.with_data(|bytes| Parsed::Consumed(bytes.len())).await?;
    ///     println!("{n} bytes");
    ///     Ok(())
    /// }
    /// ```
    pub async fn with_data<F>(&self, mut parse: F) -> io::Result<usize>
    where
        F: FnMut(&[u8]) -> Parsed,
    {
        let mut places = self.below.places();
        if self.writable().is_ok() {
            // A failure to send is for who sends.
            let _ = poll_fn(|cx| self.below.poll_room(&mut places, cx)).await;
        }
        let mut wanted = 1;
        loop {
            let len = poll_fn(|cx| self.poll_at_least(&mut places, cx, wanted)).await?;
            if len < wanted {
                return self.cut_off(len);
            }
            // Taken out for the call: `parse` may write to this stream.
            let taken = self.state().engine.plain().take();
            let parsed = parse(taken.as_deref().unwrap_or_default());
            let used = match parsed {
                Parsed::Consumed(n) => n,
                Parsed::NeedMore | Parsed::NeedAtLeast(_) => 0,
            };
            assert!(used <= len, "a parser consumed {used} of {len} bytes");
            if let Some(taken) = taken {
                self.state().engine.plain().put_back(taken, used);
            }
            match parsed {
                Parsed::Consumed(n) if n > 0 => return Ok(n),
                Parsed::Consumed(_) | Parsed::NeedMore => wanted = len + 1,
                Parsed::NeedAtLeast(n) => wanted = n.max(len + 1),
            }
        }
    }

    /// The stream ended before so many bytes were there as the parser wants.
    fn cut_off(&self, rest: usize) -> io::Result<usize> {
        let _discarded = self.state().engine.plain().take();
        if rest == 0 {
            return Ok(0);
        }
        let text = format!("the peer ended the stream {rest} bytes into a message");
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
    }
}
