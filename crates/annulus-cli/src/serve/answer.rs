//! The answer to a request for a file: conditions, range and facts in, a head out.
//!
//! Pure: it reads no file. The bytes that are to follow the head are named by the range it returns.

use std::ops::Range;
use std::time::SystemTime;

use super::conditional::{self, Validators, Verdict};
use super::described::Described;
use super::head::{Head, Method};
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

/// Appends the head, or the whole answer if it has no bytes of the file, to `out`.
pub fn file(
    out: &mut Vec<u8>,
    head: &Head<'_>,
    (described, now): (&Described, SystemTime),
    stamp: &Stamp,
) -> Answer {
    let len = described.facts().len;
    let validators = Validators { etag: described.etag(), modified: described.modified(), now };
    let verdict = conditional::evaluate(head.method, &head.fields, &validators);
    let selection = match (verdict, &head.fields.range) {
        (Verdict::Proceed, Some(range)) if head.method == Method::Get => range::select(range, len),
        _ => Selection::Whole,
    };
    match (verdict, selection) {
        (Verdict::PreconditionFailed, _) => {
            let why = "The file is not in the state that the request made its condition.";
            refusal(out, stamp, Status::PRECONDITION_FAILED, why, None)
        }
        (Verdict::NotModified, _) => {
            let head = Writer::begin(out, Status::NOT_MODIFIED, &stamp.date, stamp.persistence);
            described.validators(head);
            Answer { status: Status::NOT_MODIFIED, body: 0..0, content: 0 }
        }
        (_, Selection::Unsatisfiable) => {
            let why = "The file has no such bytes.";
            let whole = format!("bytes */{len}");
            let extra = Some(("Content-Range", whole.as_bytes()));
            refusal(out, stamp, Status::RANGE_NOT_SATISFIABLE, why, extra)
        }
        (_, Selection::Whole) => content(out, described, stamp, None),
        (_, Selection::Part(part)) => content(out, described, stamp, Some(part)),
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
    described: &Described,
    stamp: &Stamp,
    part: Option<Range<u64>>,
) -> Answer {
    let status = if part.is_some() { Status::PARTIAL_CONTENT } else { Status::OK };
    let head = Writer::begin(out, status, &stamp.date, stamp.persistence);
    let body = match part {
        None => {
            described.whole(head);
            0..described.facts().len
        }
        Some(part) => {
            described.part(head, part.start, part.end - 1);
            part
        }
    };
    let body = if stamp.method == Method::Head { 0..0 } else { body };
    Answer { status, content: body.end - body.start, body }
}

#[cfg(test)]
mod tests;
