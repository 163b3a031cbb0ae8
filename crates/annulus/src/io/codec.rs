//! Messages on a stream of bytes.
//!
//! Owns: [`Decoder`] and [`Encoder`], [`Framed`], and two codecs. Does not own: the stream.
//!
//! The traits have the shape of those of `tokio_util::codec`, so codecs port by imports. A parser
//! that can work on what was received in place needs none of this: see
//! [`AsyncBufRead`](super::AsyncBufRead).

mod length;
mod lines;

pub use length::LengthDelimited;
pub use lines::LinesCodec;

use std::io;

use bytes::BytesMut;

use super::{AsyncRead, AsyncWrite};

/// Finds messages in bytes.
pub trait Decoder {
    /// A message.
    type Item;
    /// Why there is none. An error of the stream becomes one.
    type Error: From<io::Error>;

    /// Takes the first message out of `bytes`; `None` if it is not all there yet.
    ///
    /// # Errors
    /// What the bytes are no message for. The stream is not read any further then.
    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error>;

    /// As [`decode`](Self::decode), when the stream has ended. Called until it gives `None`.
    ///
    /// # Errors
    /// `UnexpectedEof` if bytes are left that are no message; as [`decode`](Self::decode).
    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        let item = self.decode(bytes)?;
        if item.is_none() && !bytes.is_empty() {
            let left = bytes.len();
            let error = format!("the stream ended {left} bytes into a message");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error).into());
        }
        Ok(item)
    }
}

/// Makes bytes of messages.
pub trait Encoder<Item> {
    /// Why a message cannot be sent. An error of the stream becomes one.
    type Error: From<io::Error>;

    /// Appends a message to `bytes`.
    ///
    /// # Errors
    /// What cannot be encoded; `bytes` is as it was.
    fn encode(&mut self, item: Item, bytes: &mut BytesMut) -> Result<(), Self::Error>;
}

/// A stream as a sequence of messages.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::io::{Framed, codec::LinesCodec};
///
/// let (left, right) = annulus::net::UnixStream::pair()?;
/// let (mut left, mut right) =
///     (Framed::new(left, LinesCodec::new()), Framed::new(right, LinesCodec::new()));
/// left.send("one").await?;
/// left.send("two").await?;
/// assert_eq!(right.next().await?.as_deref(), Some("one"));
/// assert_eq!(right.next().await?.as_deref(), Some("two"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Framed<T, C> {
    stream: T,
    codec: C,
    received: BytesMut,
    ended: bool,
    to_send: BytesMut,
}

impl<T, C> Framed<T, C> {
    /// Messages of `codec` on `stream`.
    pub fn new(stream: T, codec: C) -> Self {
        let (received, to_send) = (BytesMut::new(), BytesMut::new());
        Self { stream, codec, received, ended: false, to_send }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// The stream below. Reading from it overtakes what was received and not decoded.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The codec.
    pub fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// The stream, the codec, and what was received and not decoded.
    pub fn into_parts(self) -> (T, C, BytesMut) {
        (self.stream, self.codec, self.received)
    }
}

impl<T: AsyncRead, C: Decoder> Framed<T, C> {
    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of the codec and of the stream.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing, if that is so for the stream's
    /// [`recv`](AsyncRead::recv).
    ///
    /// # Kernel
    /// None of its own: what the stream asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{Framed, codec::LinesCodec};
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let mut left = Framed::new(left, LinesCodec::new());
    /// # let mut right = Framed::new(right, LinesCodec::new());
    /// left.send("one").await?;
    /// assert_eq!(right.next().await?.as_deref(), Some("one"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Result<Option<C::Item>, C::Error> {
        loop {
            if self.ended {
                return self.codec.decode_eof(&mut self.received);
            }
            if let Some(item) = self.codec.decode(&mut self.received)? {
                return Ok(Some(item));
            }
            match self.stream.recv().await? {
                Some(piece) => self.received.extend_from_slice(&piece),
                None => self.ended = true,
            }
        }
    }
}

impl<T: AsyncWrite, C> Framed<T, C> {
    /// Sends a message.
    ///
    /// # Errors
    /// Those of the codec and of the stream.
    ///
    /// # Cancel safety
    /// Dropping the future sends all of the message, or what
    /// [`write_all`](AsyncWrite::write_all) of the stream leaves of it.
    ///
    /// # Kernel
    /// None of its own: what the stream asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{Framed, codec::LinesCodec};
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let mut left = Framed::new(left, LinesCodec::new());
    /// # let mut right = Framed::new(right, LinesCodec::new());
    /// left.send("one").await?;
    /// assert_eq!(right.next().await?.as_deref(), Some("one"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send<Item>(&mut self, item: Item) -> Result<(), C::Error>
    where
        C: Encoder<Item>,
    {
        self.feed(item)?;
        Ok(self.flush().await?)
    }

    /// Encodes a message, to be sent with the next [`send`](Self::send) or [`flush`](Self::flush).
    ///
    /// # Errors
    /// Those of the codec.
    pub fn feed<Item>(&mut self, item: Item) -> Result<(), C::Error>
    where
        C: Encoder<Item>,
    {
        self.codec.encode(item, &mut self.to_send)
    }

    /// Sends what was fed, and waits until it has reached the stream's destination.
    ///
    /// # Errors
    /// Those of the stream.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Kernel
    /// None of its own: what the stream asks for.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{Framed, codec::LinesCodec};
    /// # let (left, right) = annulus::net::UnixStream::pair()?;
    /// # let mut left = Framed::new(left, LinesCodec::new());
    /// # let mut right = Framed::new(right, LinesCodec::new());
    /// left.feed("one")?;
    /// left.feed("two")?;
    /// left.flush().await?; // both at once
    /// # drop(right);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.to_send.is_empty() {
            let ((), mut sent) = self.stream.write_all(std::mem::take(&mut self.to_send)).await?;
            sent.clear();
            self.to_send = sent;
        }
        self.stream.flush().await
    }
}
