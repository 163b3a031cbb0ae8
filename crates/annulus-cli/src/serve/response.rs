//! Writing the head of a response. Owns the status lines and the form of fields.
//!
//! A head is appended to a buffer that may already hold earlier responses, and small bodies follow
//! it there, so that an answer is one send.

use std::fmt;
use std::io::Write;

/// A status code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident = $code:literal $reason:literal,)*) => {
        impl Status {
            $(#[doc = concat!(stringify!($code), " ", $reason)]
            pub const $name: Self = Self($code);)*

            /// The words that go with the code.
            pub fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "Unknown",
                }
            }
        }
    };
}

statuses! {
    OK = 200 "OK",
    PARTIAL_CONTENT = 206 "Partial Content",
    MOVED_PERMANENTLY = 301 "Moved Permanently",
    NOT_MODIFIED = 304 "Not Modified",
    BAD_REQUEST = 400 "Bad Request",
    FORBIDDEN = 403 "Forbidden",
    NOT_FOUND = 404 "Not Found",
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed",
    REQUEST_TIMEOUT = 408 "Request Timeout",
    PRECONDITION_FAILED = 412 "Precondition Failed",
    TARGET_TOO_LONG = 414 "URI Too Long",
    RANGE_NOT_SATISFIABLE = 416 "Range Not Satisfiable",
    EXPECTATION_FAILED = 417 "Expectation Failed",
    FIELDS_TOO_LARGE = 431 "Request Header Fields Too Large",
    INTERNAL_ERROR = 500 "Internal Server Error",
    NOT_IMPLEMENTED = 501 "Not Implemented",
    UNAVAILABLE = 503 "Service Unavailable",
    VERSION_NOT_SUPPORTED = 505 "HTTP Version Not Supported",
}

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What happens to the connection after a response, as the response says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// It stays open, which HTTP/1.1 takes for granted.
    Implied,
    /// It stays open, which HTTP/1.0 has to be told.
    KeepAlive,
    /// It is closed.
    Close,
}

/// A head under way; [`Writer::end`] finishes it.
#[must_use = "a head without its empty line is not a head"]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// The status line, and the fields that every response has.
    pub fn begin(
        out: &'o mut Vec<u8>,
        status: Status,
        date: &[u8],
        persistence: Persistence,
    ) -> Self {
        out.extend_from_slice(b"HTTP/1.1 ");
        decimal(out, u64::from(status.code()));
        out.push(b' ');
        out.extend_from_slice(status.reason().as_bytes());
        out.extend_from_slice(b"\r\nServer: annulus\r\nDate: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
        let writer = Self { out };
        match persistence {
            Persistence::Implied => writer,
            Persistence::KeepAlive => writer.field("Connection", b"keep-alive"),
            Persistence::Close => writer.field("Connection", b"close"),
        }
    }

    /// Fields alone, for a head whose beginning is written elsewhere.
    pub fn resume(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// A field; neither part may hold a line's end.
    pub fn field(self, name: &str, value: &[u8]) -> Self {
        debug_assert!(
            !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "a field's value holds a line's end"
        );
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// A field whose value is formatted in place.
    pub fn formatted(self, name: &str, value: fmt::Arguments<'_>) -> Self {
        // Writing to a vector does not fail.
        let _ = write!(self.out, "{name}: {value}\r\n");
        self
    }

    /// `Content-Length`.
    pub fn length(self, bytes: u64) -> Self {
        self.out.extend_from_slice(b"Content-Length: ");
        decimal(self.out, bytes);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Fields that were written before, the empty line at their end.
    pub fn end_with(self, fields: &[u8]) {
        debug_assert!(fields.ends_with(b"\r\n\r\n"), "a head without its empty line");
        self.out.extend_from_slice(fields);
    }

    /// The empty line.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends a number without the machinery of `fmt`.
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
