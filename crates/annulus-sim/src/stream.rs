//! A stream of bytes in one direction: half a socket connection, or a pipe.
//!
//! Owns: the bytes under way and how both ends ended. Does not own: who waits for it (the machine
//! does). Mirrors what recv(2), send(2) and pipe(7) say of streams.
//!
//! | the reader | the writer | a read | a write |
//! |---|---|---|---|
//! | open | open | bytes, or waits | bytes, or waits for room |
//! | open | ended | bytes, then the end | EPIPE |
//! | open | reset | bytes, then ECONNRESET once, then the end | – |
//! | gone | open | – | EPIPE |

use std::collections::VecDeque;

/// Bytes from one end to the other.
#[derive(Debug)]
pub(crate) struct Stream {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The reader is gone.
    pub(crate) unread: bool,
    /// The reader shut its side: it reads what is there, then the end.
    pub(crate) deaf: bool,
    /// The writer was told that nothing will be read.
    pub(crate) refused: bool,
    /// The writer said that it writes no more, or is gone.
    pub(crate) ended: bool,
    /// The writer is gone, too: nobody can look at this stream any more, once the reader is.
    pub(crate) abandoned: bool,
    /// The writer went away without reading what it was sent.
    pub(crate) reset: bool,
}

/// What a look at a stream gives to a reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Bytes(usize),
    End,
    Reset,
    Nothing,
}

impl Stream {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            unread: false,
            deaf: false,
            refused: false,
            ended: false,
            abandoned: false,
            reset: false,
        }
    }

    pub(crate) fn sight(&self) -> Sight {
        match self.bytes.len() {
            0 if self.reset => Sight::Reset,
            0 if self.ended || self.deaf => Sight::End,
            0 => Sight::Nothing,
            len => Sight::Bytes(len),
        }
    }

    /// Whether a write fails.
    pub(crate) fn is_broken(&self) -> bool {
        self.unread || self.refused || self.ended
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        self.bytes.drain(..count.min(self.bytes.len())).collect()
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room(), "a stream takes what it has room for");
        self.bytes.extend(bytes);
    }
}
