//! Conditional requests (RFC 9110 §13). Pure: fields and validators in, a verdict out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::head::{Fields, Method};

/// What a file's current state is compared by.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'e> {
    /// The entity tag, quotes included; strong.
    pub etag: &'e [u8],
    /// The modification time, in whole seconds, as it is sent.
    pub modified: SystemTime,
    /// The time of the response.
    pub now: SystemTime,
}

/// What the conditions of a request amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request is carried out, with its range if it has one.
    Proceed,
    /// The request is carried out as if it had no range: the client's part is of another state.
    ProceedWhole,
    /// The client has it already (304).
    NotModified,
    /// The state is not the one that the client made its condition (412).
    PreconditionFailed,
}

/// Evaluates the conditions in the order that RFC 9110 §13.2.2 demands.
pub fn evaluate(method: Method, fields: &Fields<'_>, now: &Validators<'_>) -> Verdict {
    if let Some(list) = &fields.if_match {
        if !matches(list, now.etag, Comparison::Strong) {
            return Verdict::PreconditionFailed;
        }
    } else if let Some(since) = fields.if_unmodified_since.as_deref().and_then(date) {
        if now.modified > since {
            return Verdict::PreconditionFailed;
        }
    }
    if let Some(list) = &fields.if_none_match {
        if matches(list, now.etag, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if let Some(since) = fields.if_modified_since.as_deref().and_then(date) {
        if now.modified <= since {
            return Verdict::NotModified;
        }
    }
    match &fields.if_range {
        Some(condition) if method == Method::Get && !range_holds(condition, now) => {
            Verdict::ProceedWhole
        }
        _ => Verdict::Proceed,
    }
}

/// Whether the part that the client has is of the current state: by a strong tag, or by a date that
/// is the same to the second and old enough not to be followed by another change in its second.
fn range_holds(condition: &[u8], now: &Validators<'_>) -> bool {
    match Tag::parse(condition.trim_ascii()) {
        Some((tag, [])) => !tag.weak && tag.quoted == now.etag,
        Some(_) => false,
        None => {
            let settled = now.modified + Duration::from_secs(1) <= now.now;
            settled && date(condition) == Some(now.modified)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of tags, or `*`, names the current state. A malformed list names what stands
/// before its mistake.
fn matches(list: &[u8], etag: &[u8], comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let Some((tag, after)) = Tag::parse(rest) else {
            return false;
        };
        if tag.quoted == etag && (comparison == Comparison::Weak || !tag.weak) {
            return true;
        }
        rest = after.trim_ascii_start();
        if !rest.starts_with(b",") {
            return false;
        }
    }
}

/// An entity tag at the beginning of some bytes.
#[derive(Debug, Clone, Copy)]
struct Tag<'t> {
    weak: bool,
    quoted: &'t [u8],
}

impl<'t> Tag<'t> {
    /// The tag and what follows it.
    fn parse(bytes: &'t [u8]) -> Option<(Self, &'t [u8])> {
        let (weak, opaque) = match bytes.strip_prefix(b"W/") {
            Some(opaque) => (true, opaque),
            None => (false, bytes),
        };
        let inner = opaque.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| byte == b'"')?;
        if inner[..end].iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
            return None;
        }
        let (quoted, rest) = opaque.split_at(end + 2);
        Some((Self { weak, quoted }, rest))
    }
}

/// A date in any of the three forms that HTTP knows; anything else is as if it were not there.
fn date(field: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(field.trim_ascii()).ok()?;
    httpdate::parse_http_date(text).ok().filter(|&time| time >= UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
