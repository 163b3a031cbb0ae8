//! The head of a request: where it ends, what it asks for, and where the next request begins.
//!
//! Owns syntax, limits and framing (RFC 9112). Knows nothing of files. The head is read in place:
//! a [`Head`] borrows from the bytes that were received and copies nothing, except to join a field
//! that was sent in several lines.
//!
//! Invariants: the outcome depends on the bytes alone, not on the pieces in which they arrived;
//! whatever leaves doubt about where the next request begins is a [`Refused`], and a refusal always
//! ends the connection.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use super::response::Status;

/// The most bytes of a head, its empty line included.
pub const HEAD_LIMIT: usize = 16 * 1024;
/// The most lines of fields in a head.
pub const FIELD_LIMIT: usize = 100;

/// A request that ends the connection with this answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer.
    pub status: Status,
    /// A sentence for the person who made the request.
    pub why: &'static str,
}

/// A request without its body.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'b> {
    /// What is to be done.
    pub method: Method,
    /// To what: still encoded, in any of the forms that a target has.
    pub target: &'b str,
    /// The request line without its end, for the log.
    pub line: &'b [u8],
    /// The minor version: 0 or 1.
    pub minor: u8,
    /// Whether the client means to go on with this connection.
    pub keep_alive: bool,
    /// The body that follows.
    pub body: Body,
    /// The fields that matter to a file server.
    pub fields: Fields<'b>,
}

/// What a request wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The file.
    Get,
    /// What GET would answer, without the file's bytes.
    Head,
    /// Anything else: not allowed here.
    Other,
}

/// The body that follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// This many bytes, often none.
    Length(u64),
    /// A body whose end is not worth finding: chunked, or held back until `100 Continue`.
    Unskippable,
}

/// The value of a field; borrowed unless it came in several lines.
pub type Value<'b> = Option<Cow<'b, [u8]>>;

/// The fields of a request that matter to a file server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields<'b> {
    /// `If-Match`
    pub if_match: Value<'b>,
    /// `If-None-Match`
    pub if_none_match: Value<'b>,
    /// `If-Modified-Since`
    pub if_modified_since: Value<'b>,
    /// `If-Unmodified-Since`
    pub if_unmodified_since: Value<'b>,
    /// `If-Range`
    pub if_range: Value<'b>,
    /// `Range`
    pub range: Value<'b>,
    /// `Referer`, for the log.
    pub referer: Value<'b>,
    /// `User-Agent`, for the log.
    pub user_agent: Value<'b>,
}

/// Reads the head at the beginning of `bytes`, and says how long it is; `None` when they are only
/// the beginning of one.
///
/// # Errors
/// [`Refused`] when the bytes are not, and cannot become, a request that this server takes.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, Refused> {
    let window = &bytes[..bytes.len().min(HEAD_LIMIT)];
    let mut lines = [const { MaybeUninit::uninit() }; FIELD_LIMIT];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(window, &mut lines) {
        Ok(httparse::Status::Complete(len)) => {
            // Both are present once a head is complete.
            let (Some(method), Some(target)) = (request.method, request.path) else {
                return Err(bad("The request has no method or no target."));
            };
            let line = window.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let first = First {
                method,
                target,
                line: line.strip_suffix(b"\r").unwrap_or(line),
                minor: request.version.unwrap_or(1),
            };
            Ok(Some((interpret(&first, request.headers)?, len)))
        }
        Ok(httparse::Status::Partial) if window.len() == HEAD_LIMIT => Err(too_large(window)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Refused {
            status: Status::FIELDS_TOO_LARGE,
            why: "The request has more than 100 fields.",
        }),
        Err(httparse::Error::Version) => Err(wrong_version(window)),
        Err(_) => Err(bad("This is not an HTTP/1.1 request.")),
    }
}

/// The request line.
struct First<'b> {
    method: &'b str,
    target: &'b str,
    line: &'b [u8],
    minor: u8,
}

/// What the fields say about the connection and about the request's end.
#[derive(Default)]
struct Framing {
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

fn interpret<'b>(first: &First<'b>, lines: &[httparse::Header<'b>]) -> Result<Head<'b>, Refused> {
    let mut framing = Framing::default();
    let mut fields = Fields::default();
    for line in lines {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        // The length of the name tells most fields apart before any comparison.
        let field = match line.name.len() {
            4 | 6 | 10 | 14 | 17 if framing.note(line.name, line.value)? => continue,
            5 if is("Range") => &mut fields.range,
            7 if is("Referer") => &mut fields.referer,
            8 if is("If-Match") => &mut fields.if_match,
            8 if is("If-Range") => &mut fields.if_range,
            10 if is("User-Agent") => &mut fields.user_agent,
            13 if is("If-None-Match") => &mut fields.if_none_match,
            17 if is("If-Modified-Since") => &mut fields.if_modified_since,
            19 if is("If-Unmodified-Since") => &mut fields.if_unmodified_since,
            _ => continue,
        };
        match field {
            None => *field = Some(Cow::Borrowed(line.value)),
            Some(value) => {
                let value = value.to_mut();
                value.extend_from_slice(b", ");
                value.extend_from_slice(line.value);
            }
        }
    }
    let body = framing.body(first.minor)?;
    Ok(Head {
        method: match first.method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        },
        target: first.target,
        line: first.line,
        minor: first.minor,
        keep_alive: !framing.close && (first.minor == 1 || framing.keep_alive),
        body,
        fields,
    })
}

impl Framing {
    /// Takes a field if it is one of framing; says whether it was.
    fn note(&mut self, name: &str, value: &[u8]) -> Result<bool, Refused> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("Host") {
            self.hosts += 1;
            if !value.iter().all(|&byte| is_host(byte)) {
                return Err(bad("The Host field is malformed."));
            }
        } else if is("Connection") {
            for token in tokens(value) {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("Content-Length") {
            // A list of equal lengths is what a proxy makes of a repeated field.
            for number in value.split(|&byte| byte == b',') {
                let length = length(number.trim_ascii())?;
                if self.length.is_some_and(|other| other != length) {
                    return Err(bad("The request has two different lengths."));
                }
                self.length = Some(length);
            }
        } else if is("Transfer-Encoding") {
            if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Refused {
                    status: Status::NOT_IMPLEMENTED,
                    why: "The only transfer coding that is understood here is chunked.",
                });
            }
            self.chunked = true;
        } else if is("Expect") {
            if !value.trim_ascii().eq_ignore_ascii_case(b"100-continue") {
                return Err(Refused {
                    status: Status::EXPECTATION_FAILED,
                    why: "The only expectation that can be met here is 100-continue.",
                });
            }
            self.expects_continue = true;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn body(&self, minor: u8) -> Result<Body, Refused> {
        if self.hosts > 1 {
            return Err(bad("The request has more than one Host field."));
        }
        if self.hosts == 0 && minor == 1 {
            return Err(bad("The request has no Host field."));
        }
        if self.chunked && self.length.is_some() {
            return Err(bad("The request has both a Content-Length and a Transfer-Encoding."));
        }
        if self.chunked && minor == 0 {
            return Err(bad("HTTP/1.0 has no Transfer-Encoding."));
        }
        Ok(match self.length.unwrap_or(0) {
            0 if !self.chunked => Body::Length(0),
            length if !self.chunked && !self.expects_continue => Body::Length(length),
            _ => Body::Unskippable,
        })
    }
}

/// The members of a comma-separated list.
pub fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

fn length(digits: &[u8]) -> Result<u64, Refused> {
    let malformed = bad("The Content-Length field is not a number.");
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| malformed)?;
    digits.parse().map_err(|_| malformed)
}

/// The bytes of which a host, an address in brackets and a port are made.
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

fn bad(why: &'static str) -> Refused {
    Refused { status: Status::BAD_REQUEST, why }
}

fn too_large(window: &[u8]) -> Refused {
    if window.contains(&b'\n') {
        Refused { status: Status::FIELDS_TOO_LARGE, why: "The request's head exceeds 16 KiB." }
    } else {
        Refused { status: Status::TARGET_TOO_LONG, why: "The request's target exceeds 16 KiB." }
    }
}

/// Tells another version of HTTP from something that is not HTTP at all.
fn wrong_version(window: &[u8]) -> Refused {
    let line = window.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let version = line.split(|&byte| byte == b' ').nth(2).unwrap_or_default();
    // The first digit is looked at and no more: it is there whenever the version is known to be
    // wrong, however the bytes arrived.
    let number = version.strip_prefix(b"HTTP/");
    let other = number.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit);
    if other {
        Refused {
            status: Status::VERSION_NOT_SUPPORTED,
            why: "This server speaks HTTP/1.1 and HTTP/1.0.",
        }
    } else {
        bad("This is not an HTTP/1.1 request.")
    }
}

#[cfg(test)]
mod tests;
