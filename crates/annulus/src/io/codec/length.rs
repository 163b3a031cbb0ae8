//! Messages behind their length.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Decoder, Encoder};

const HEAD_BYTES: usize = 4;

/// Messages of any bytes, each behind its length in four bytes, the most significant first.
#[derive(Clone, Debug)]
pub struct LengthDelimited {
    bytes_max: usize,
}

impl LengthDelimited {
    /// Messages of at most 8 MiB.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_max_length(8 << 20)
    }

    /// Messages of at most so many bytes; a longer one is an error, before memory is taken for it.
    #[must_use]
    pub const fn with_max_length(bytes: usize) -> Self {
        Self { bytes_max: bytes }
    }

    fn check(&self, len: usize, kind: io::ErrorKind) -> io::Result<()> {
        if len <= self.bytes_max {
            return Ok(());
        }
        let most = self.bytes_max;
        Err(io::Error::new(kind, format!("a message of {len} bytes, where {most} are allowed")))
    }
}

impl Default for LengthDelimited {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LengthDelimited {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        let Some(&head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(head) as usize;
        self.check(len, io::ErrorKind::InvalidData)?;
        if bytes.len() < HEAD_BYTES + len {
            bytes.reserve(HEAD_BYTES + len - bytes.len());
            return Ok(None);
        }
        bytes.advance(HEAD_BYTES);
        Ok(Some(bytes.split_to(len)))
    }
}

impl Encoder<Bytes> for LengthDelimited {
    type Error = io::Error;

    fn encode(&mut self, message: Bytes, bytes: &mut BytesMut) -> io::Result<()> {
        self.check(message.len(), io::ErrorKind::InvalidInput)?;
        let len = u32::try_from(message.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a message above 4 GiB"))?;
        bytes.reserve(HEAD_BYTES + message.len());
        bytes.put_u32(len);
        bytes.put(message);
        Ok(())
    }
}
