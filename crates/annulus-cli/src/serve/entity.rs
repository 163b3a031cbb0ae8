//! What is known of a file without reading it, and the validators made from that.
//!
//! The entity tag is the file's length, modification time in nanoseconds and inode: it changes with
//! every write that the file system can tell apart, and when another file takes the name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Facts about an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub len: u64,
    /// When its content was last changed.
    pub modified: SystemTime,
    /// Its number within the file system.
    pub inode: u64,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A pipe, socket or device: nothing that is served.
    Other,
}

/// An entity tag: quotes included, never weak.
#[derive(Clone, Copy)]
pub struct ETag {
    text: [u8; Self::CAPACITY],
    len: usize,
}

impl ETag {
    /// Three numbers in hexadecimal, two dashes and two quotes.
    const CAPACITY: usize = 3 * 16 + 4;

    /// The tag as it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn push(&mut self, byte: u8) {
        self.text[self.len] = byte;
        self.len += 1;
    }

    fn push_hexadecimal(&mut self, number: u64) {
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.push(b"0123456789abcdef"[(number >> (4 * digit) & 0xf) as usize]);
        }
    }
}

impl Facts {
    /// The entity tag of the whole file as it is now.
    pub fn etag(&self) -> ETag {
        let mut tag = ETag { text: [0; ETag::CAPACITY], len: 0 };
        tag.push(b'"');
        tag.push_hexadecimal(self.len);
        tag.push(b'-');
        tag.push_hexadecimal(nanoseconds(self.modified));
        tag.push(b'-');
        tag.push_hexadecimal(self.inode);
        tag.push(b'"');
        tag
    }

    /// The modification time as HTTP can say it: in whole seconds, not before 1970, and not
    /// later than `now`, since a response must not claim to be older than its content.
    pub fn last_modified(&self, now: SystemTime) -> SystemTime {
        let since = self.modified.min(now).duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(since.as_secs())
    }
}

/// A time as a number that differs when the time does; wraps once in 584 years.
fn nanoseconds(time: SystemTime) -> u64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as u64,
        Err(before) => (before.duration().as_nanos() as u64).wrapping_neg(),
    }
}

#[cfg(test)]
mod tests;
