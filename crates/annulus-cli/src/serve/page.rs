//! The small pages that say why there is no file in the answer. Owns their form; the words are the
//! caller's.

use super::clock::HttpDate;
use super::head::Method;
use super::response::{Persistence, Status, Writer};

/// What every response carries that does not depend on what is answered.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The time of the response, as it is sent.
    pub date: HttpDate,
    /// Whether the connection goes on.
    pub persistence: Persistence,
    /// Whether bodies are left out (HEAD).
    pub method: Method,
}

/// A field of a response beyond those that all have.
pub type Extra<'f> = Option<(&'static str, &'f [u8])>;

/// Writes a whole response: a page with the status for its heading. Returns the length of its body.
pub fn write(
    out: &mut Vec<u8>,
    stamp: &Stamp,
    status: Status,
    why: &'static str,
    extra: Extra<'_>,
) -> u64 {
    let body = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{status}</title>\n\
         <h1>{status}</h1>\n<p>{why}</p>\n"
    );
    html(out, stamp, status, body.as_bytes(), extra)
}

/// Writes a whole response whose body is an HTML page. Returns the length of what was sent of it.
pub fn html(
    out: &mut Vec<u8>,
    stamp: &Stamp,
    status: Status,
    body: &[u8],
    extra: Extra<'_>,
) -> u64 {
    let mut head = Writer::begin(out, status, &stamp.date, stamp.persistence)
        .field("Content-Type", b"text/html; charset=utf-8")
        .length(body.len() as u64)
        .field("X-Content-Type-Options", b"nosniff")
        .field("Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'");
    if let Some((name, value)) = extra {
        head = head.field(name, value);
    }
    head.end();
    if stamp.method == Method::Head {
        return 0;
    }
    out.extend_from_slice(body);
    body.len() as u64
}

#[cfg(test)]
mod tests;
