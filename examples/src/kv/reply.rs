//! Replies, in the form of RESP2 or of RESP3.
//!
//! Owns: the bytes of each kind of reply. Where the two protocols differ, [`Protocol`] says which.
//! Mirrors the RESP specification of Redis.

use super::number;

/// Which protocol a connection speaks: RESP2 until it asks for RESP3 with `HELLO 3`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// `+OK`.
pub(super) fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// A short text without line ends.
pub(super) fn simple(out: &mut Vec<u8>, text: &str) {
    out.push(b'+');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// An error, which begins with its code. Line ends in it, which clients can put there, become
/// spaces.
pub(super) fn error(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'-');
    out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

pub(super) fn integer(out: &mut Vec<u8>, number: i64) {
    head(out, b':', number);
}

/// How many elements follow.
pub(super) fn array(out: &mut Vec<u8>, len: usize) {
    head(out, b'*', len as i64);
}

/// How many elements of a set follow: in RESP2, of an array.
pub(super) fn set(out: &mut Vec<u8>, len: usize, protocol: Protocol) {
    let kind = if protocol == Protocol::Resp3 { b'~' } else { b'*' };
    head(out, kind, len as i64);
}

/// How many pairs of keys and values follow: in RESP2, as an array.
pub(super) fn map(out: &mut Vec<u8>, pairs: usize, protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => array(out, 2 * pairs),
        Protocol::Resp3 => head(out, b'%', pairs as i64),
    }
}

pub(super) fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 16);
    head(out, b'$', bytes.len() as i64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A text for people: in RESP3 it says so.
pub(super) fn text(out: &mut Vec<u8>, text: &str, protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => bulk(out, text.as_bytes()),
        Protocol::Resp3 => {
            head(out, b'=', text.len() as i64 + 4);
            out.extend_from_slice(b"txt:");
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// There is no value.
pub(super) fn null(out: &mut Vec<u8>, protocol: Protocol) {
    let null: &[u8] = match protocol {
        Protocol::Resp2 => b"$-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    };
    out.extend_from_slice(null);
}

/// There is no array.
pub(super) fn null_array(out: &mut Vec<u8>, protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => out.extend_from_slice(b"*-1\r\n"),
        Protocol::Resp3 => null(out, protocol),
    }
}

fn head(out: &mut Vec<u8>, kind: u8, number: i64) {
    if let digit @ 0..=9 = number {
        out.extend_from_slice(&[kind, b'0' + digit as u8, b'\r', b'\n']);
        return;
    }
    number::with_text(number, |digits| {
        out.push(kind);
        out.extend_from_slice(digits);
        out.extend_from_slice(b"\r\n");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_two_protocols_differ_where_the_specification_says() {
        use Protocol::{Resp2, Resp3};
        assert_eq!(of(|out| null(out, Resp2)), "$-1\r\n");
        assert_eq!(of(|out| null(out, Resp3)), "_\r\n");
        assert_eq!(of(|out| map(out, 3, Resp2)), "*6\r\n");
        assert_eq!(of(|out| map(out, 3, Resp3)), "%3\r\n");
        assert_eq!(of(|out| set(out, 12, Resp2)), "*12\r\n");
        assert_eq!(of(|out| set(out, 12, Resp3)), "~12\r\n");
        assert_eq!(of(|out| text(out, "hi", Resp2)), "$2\r\nhi\r\n");
        assert_eq!(of(|out| text(out, "hi", Resp3)), "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn lengths_and_numbers_are_decimal() {
        assert_eq!(of(|out| bulk(out, b"")), "$0\r\n\r\n");
        assert_eq!(of(|out| bulk(out, b"0123456789")), "$10\r\n0123456789\r\n");
        assert_eq!(of(|out| integer(out, -10)), ":-10\r\n");
        assert_eq!(of(|out| array(out, 1024)), "*1024\r\n");
    }

    #[test]
    fn an_error_stays_one_line() {
        assert_eq!(of(|out| error(out, b"ERR a\r\nb")), "-ERR a  b\r\n");
    }
}
