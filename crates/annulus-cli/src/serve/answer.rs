//! The answer to a request for a file: conditions, range and facts in, a head out.
//!
//! Pure: it reads no file. The bytes that are to follow the head are named by the range it returns.

use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use super::clock;
use super::conditional::{self, Validators, Verdict};
use super::entity::{ETag, Facts};
use super::head::{Head, Method};
use super::media;
use super::page::{self, Stamp};
use super::range::{self, Selection};
use super::response::{Status, Writer};

/// A head that was written, and what belongs behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: Status,
    /// The part of the file that is still to be sent.
    pub body: Range<u64>,
    /// How many bytes of content there are, those already written included.
    pub content: u64,
}

/// A file that a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// The name by which its type is known.
    pub path: &'w Path,
    /// The facts about it.
    pub facts: &'w Facts,
    /// The time of the response.
    pub now: SystemTime,
}

/// Appends the head, or the whole answer if it has no bytes of the file, to `out`.
pub fn file(out: &mut Vec<u8>, head: &Head<'_>, wanted: &Wanted<'_>, stamp: &Stamp) -> Answer {
    let facts = wanted.facts;
    let etag = facts.etag();
    let modified = facts.last_modified(wanted.now);
    let validators = Validators { etag: etag.as_bytes(), modified, now: wanted.now };
    let verdict = conditional::evaluate(head.method, &head.fields, &validators);
    let selection = match (verdict, &head.fields.range) {
        (Verdict::Proceed, Some(range)) if head.method == Method::Get => {
            range::select(range, facts.len)
        }
        _ => Selection::Whole,
    };
    match (verdict, selection) {
        (Verdict::PreconditionFailed, _) => {
            let why = "The file is not in the state that the request made its condition.";
            refusal(out, stamp, Status::PRECONDITION_FAILED, why, None)
        }
        (Verdict::NotModified, _) => {
            let head = Writer::begin(out, Status::NOT_MODIFIED, &stamp.date, stamp.persistence);
            validate(head, &etag, modified).end();
            Answer { status: Status::NOT_MODIFIED, body: 0..0, content: 0 }
        }
        (_, Selection::Unsatisfiable) => {
            let why = "The file has no such bytes.";
            let whole = format!("bytes */{}", facts.len);
            let extra = Some(("Content-Range", whole.as_bytes()));
            refusal(out, stamp, Status::RANGE_NOT_SATISFIABLE, why, extra)
        }
        (_, Selection::Whole) => content(out, wanted, stamp, &etag, None),
        (_, Selection::Part(part)) => content(out, wanted, stamp, &etag, Some(part)),
    }
}

fn refusal(
    out: &mut Vec<u8>,
    stamp: &Stamp,
    status: Status,
    why: &'static str,
    extra: page::Extra<'_>,
) -> Answer {
    let content = page::write(out, stamp, status, why, extra);
    Answer { status, body: 0..0, content }
}

/// The head before the file's bytes, or before some of them.
fn content(
    out: &mut Vec<u8>,
    wanted: &Wanted<'_>,
    stamp: &Stamp,
    etag: &ETag,
    part: Option<Range<u64>>,
) -> Answer {
    let len = wanted.facts.len;
    let status = if part.is_some() { Status::PARTIAL_CONTENT } else { Status::OK };
    let body = part.clone().unwrap_or(0..len);
    let mut head = Writer::begin(out, status, &stamp.date, stamp.persistence)
        .field("Content-Type", media::content_type(wanted.path).as_bytes())
        .length(body.end - body.start)
        .field("Accept-Ranges", b"bytes")
        .field("X-Content-Type-Options", b"nosniff");
    if let Some(part) = part {
        let (first, last) = (part.start, part.end - 1);
        head = head.formatted("Content-Range", format_args!("bytes {first}-{last}/{len}"));
    }
    validate(head, etag, wanted.facts.last_modified(wanted.now)).end();
    let body = if stamp.method == Method::Head { 0..0 } else { body };
    Answer { status, content: body.end - body.start, body }
}

fn validate<'o>(head: Writer<'o>, etag: &ETag, modified: SystemTime) -> Writer<'o> {
    head.field("ETag", etag.as_bytes()).field("Last-Modified", &clock::format(modified))
}

#[cfg(test)]
mod tests;
