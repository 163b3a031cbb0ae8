//! The `Range` header field (RFC 9110 §14). Pure: a field and a length in, a selection out.
//!
//! One range is honoured. Several, an unknown unit, or a malformed field select the whole file,
//! as the specification allows.

use std::ops::Range;

/// What a `Range` field selects of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The whole file: no range that is to be honoured.
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Bytes that the file does not have (416).
    Unsatisfiable,
}

/// What `field` selects of a file of `len` bytes.
pub fn select(field: &[u8], len: u64) -> Selection {
    parse(field, len).unwrap_or(Selection::Whole)
}

fn parse(field: &[u8], len: u64) -> Option<Selection> {
    let field = std::str::from_utf8(field).ok()?;
    let (unit, set) = field.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // A list may have empty elements; more than one range is not honoured.
    let mut ranges = set.split(',').map(trim).filter(|range| !range.is_empty());
    let (first, last) = ranges.next()?.split_once('-')?;
    if ranges.next().is_some() {
        return None;
    }
    Some(match (first, last) {
        ("", suffix) => match number(suffix)? {
            0 => Selection::Unsatisfiable,
            // The suffix of an empty file is all of it, which no Content-Range can say.
            _ if len == 0 => Selection::Whole,
            suffix => Selection::Part(len.saturating_sub(suffix)..len),
        },
        (first, last) => {
            let first = number(first)?;
            let last = if last.is_empty() { u64::MAX } else { number(last)? };
            if last < first {
                return None;
            }
            if first >= len {
                return Some(Selection::Unsatisfiable);
            }
            Selection::Part(first..len.min(last.saturating_add(1)))
        }
    })
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A number of digits only; one that is too large for 64 bits is larger than any file.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
