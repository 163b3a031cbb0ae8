//! Readers and writers of memory.
//!
//! Owns: the implementations for slices, vectors and cursors, [`Empty`] and [`Sink`].

use std::io::{self, Cursor};

use super::{AsyncBufRead, AsyncRead, AsyncWrite};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, fill};

/// Moves bytes from the front of `from` into `buf`.
pub(super) fn read_from<B: IoBufMut>(from: &mut &[u8], mut buf: B) -> BufResult<usize, B> {
    if let Err(error) = crate::buf::receive_len(&buf) {
        return Err(BufError::new(error, buf));
    }
    let n = fill(&mut buf, from);
    *from = &from[n..];
    Ok((n, buf))
}

impl AsyncRead for &[u8] {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        read_from(self, buf)
    }
}

impl AsyncBufRead for &[u8] {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self)
    }

    fn consume(&mut self, n: usize) {
        *self = &self[n..];
    }
}

/// Reads from the cursor's position on.
impl<T: AsRef<[u8]>> AsyncRead for Cursor<T> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let (n, buf) = read_from(&mut rest(self), buf)?;
        self.set_position(self.position() + n as u64);
        Ok((n, buf))
    }
}

impl<T: AsRef<[u8]>> AsyncBufRead for Cursor<T> {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(rest(self))
    }

    fn consume(&mut self, n: usize) {
        assert!(n <= rest(self).len(), "more is used up than there is");
        self.set_position(self.position() + n as u64);
    }
}

fn rest<T: AsRef<[u8]>>(cursor: &Cursor<T>) -> &[u8] {
    let bytes = cursor.get_ref().as_ref();
    let position = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
    &bytes[position.min(bytes.len())..]
}

/// Appends.
impl AsyncWrite for Vec<u8> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        self.extend_from_slice(buf.as_init());
        Ok((buf.bytes_len(), buf))
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that is at its end, made by [`empty`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

/// A reader that is at its end.
#[must_use]
pub const fn empty() -> Empty {
    Empty
}

impl AsyncRead for Empty {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        read_from(&mut &[][..], buf)
    }
}

impl AsyncBufRead for Empty {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&[])
    }

    fn consume(&mut self, n: usize) {
        assert_eq!(n, 0, "nothing is there to be used up");
    }
}

/// A writer that forgets what it takes, made by [`sink`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Sink;

/// A writer that forgets what it takes.
#[must_use]
pub const fn sink() -> Sink {
    Sink
}

impl AsyncWrite for Sink {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        Ok((buf.bytes_len(), buf))
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}
