//! What every answer about a file says of it, made once and said as often as it is asked for.
//!
//! Owns: the validators, the type, and the fields of an answer with the whole file, as text. Does
//! not own: whether the file is still what it was (the site knows). Mirrors RFC 9110 §8.

use std::path::Path;
use std::time::SystemTime;

use super::clock::{self, HttpDate};
use super::entity::{ETag, Facts};
use super::media;
use super::response::Writer;

/// A file in the words of HTTP.
pub struct Described {
    facts: Facts,
    etag: ETag,
    content_type: String,
    modified: SystemTime,
    last_modified: HttpDate,
    whole: Vec<u8>,
}

impl Described {
    /// Describes a file by its name and the facts about it, for answers of about `now`.
    pub fn new(path: &Path, facts: &Facts, now: SystemTime) -> Self {
        let modified = facts.last_modified(now);
        let mut this = Self {
            facts: *facts,
            etag: facts.etag(),
            content_type: media::content_type(path).into_owned(),
            modified,
            last_modified: clock::format(modified),
            whole: Vec::new(),
        };
        let mut whole = Vec::with_capacity(256);
        this.content(Writer::resume(&mut whole), facts.len, None);
        this.whole = whole;
        this
    }

    /// Whether this is what would be said at `now`: a file that claims to come from the future is
    /// described anew each second.
    pub fn holds(&self, now: SystemTime) -> bool {
        self.facts.last_modified(now) == self.modified
    }

    /// The facts it was made from.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The entity tag.
    pub fn etag(&self) -> &[u8] {
        self.etag.as_bytes()
    }

    /// The modification time as it is said.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// Ends the head of an answer whose body is the whole file.
    pub fn whole(&self, head: Writer<'_>) {
        head.end_with(&self.whole);
    }

    /// Ends the head of an answer whose body is so many bytes, of this range if it is not the
    /// whole.
    pub fn part(&self, head: Writer<'_>, first: u64, last: u64) {
        self.content(head, last - first + 1, Some((first, last)));
    }

    /// Ends the head of an answer without a body, by which a copy is recognised.
    pub fn validators(&self, head: Writer<'_>) {
        head.field("ETag", self.etag()).field("Last-Modified", &self.last_modified).end();
    }

    fn content(&self, head: Writer<'_>, bytes: u64, part: Option<(u64, u64)>) {
        let mut head = head
            .field("Content-Type", self.content_type.as_bytes())
            .length(bytes)
            .field("Accept-Ranges", b"bytes")
            .field("X-Content-Type-Options", b"nosniff");
        if let Some((first, last)) = part {
            let len = self.facts.len;
            head = head.formatted("Content-Range", format_args!("bytes {first}-{last}/{len}"));
        }
        self.validators(head);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::entity::Kind;
    use super::*;

    #[test]
    fn a_file_from_the_future_is_described_anew() {
        let modified = UNIX_EPOCH + Duration::from_secs(1000);
        let facts = Facts { kind: Kind::File, len: 1, modified, inode: 1 };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let described = Described::new(Path::new("a"), &facts, at(900));
        assert!(described.holds(at(900)) && !described.holds(at(901)));
        let described = Described::new(Path::new("a"), &facts, at(1000));
        assert!(described.holds(at(1000)) && described.holds(at(5000)));
    }
}
