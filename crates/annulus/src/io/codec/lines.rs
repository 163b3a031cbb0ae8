//! Lines of text.

use std::io;

use bytes::BytesMut;

use super::{Decoder, Encoder};

/// Messages that are lines: UTF-8, ended by `\n` or `\r\n`. What a stream ends with is one, too.
#[derive(Clone, Debug)]
pub struct LinesCodec {
    bytes_max: usize,
    /// So many bytes were looked at, and have no end of a line.
    seen: usize,
}

impl LinesCodec {
    /// Lines of any length. For a peer that is not trusted use
    /// [`with_max_length`](Self::with_max_length).
    #[must_use]
    pub const fn new() -> Self {
        Self::with_max_length(usize::MAX)
    }

    /// Lines of at most so many bytes, without their ends; a longer one is an error.
    #[must_use]
    pub const fn with_max_length(bytes: usize) -> Self {
        Self { bytes_max: bytes, seen: 0 }
    }

    fn line(&mut self, mut line: &[u8]) -> io::Result<String> {
        self.seen = 0;
        if let Some(rest) = line.strip_suffix(b"\n") {
            line = rest.strip_suffix(b"\r").unwrap_or(rest);
        }
        self.check(line.len())?;
        let text = std::str::from_utf8(line);
        text.map(str::to_owned).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn check(&self, len: usize) -> io::Result<()> {
        if len <= self.bytes_max {
            return Ok(());
        }
        let error = format!("a line of more than {} bytes", self.bytes_max);
        Err(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Default for LinesCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LinesCodec {
    type Item = String;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<String>> {
        let unseen = bytes.get(self.seen..).unwrap_or_default();
        if let Some(index) = unseen.iter().position(|&byte| byte == b'\n') {
            let line = bytes.split_to(self.seen + index + 1);
            return self.line(&line).map(Some);
        }
        self.seen = bytes.len();
        // The last byte may be the `\r` of an end.
        self.check(self.seen.saturating_sub(1))?;
        Ok(None)
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> io::Result<Option<String>> {
        if let Some(line) = self.decode(bytes)? {
            return Ok(Some(line));
        }
        let rest = bytes.split();
        if rest.is_empty() { Ok(None) } else { self.line(&rest).map(Some) }
    }
}

impl<T: AsRef<str>> Encoder<T> for LinesCodec {
    type Error = io::Error;

    fn encode(&mut self, line: T, bytes: &mut BytesMut) -> io::Result<()> {
        let line = line.as_ref();
        self.check(line.len())?;
        if line.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a line within a line"));
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\n");
        Ok(())
    }
}
