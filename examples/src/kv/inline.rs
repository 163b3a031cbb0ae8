//! Inline commands: words separated by space, as a person types them.
//!
//! Owns: quotes and escapes. Double quotes know `\n`, `\r`, `\t`, `\b`, `\a`, `\xhh` and a
//! backslash before anything else; single quotes know `\'`. Mirrors `sdssplitargs` of Redis.

use super::parser::Span;

/// Splits `line` into words. Appends their bytes to `words`, and where each lies to `spans`.
/// False if a quote is not closed, or is not followed by space.
pub(super) fn split(line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<Span>) -> bool {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return true;
        }
        let start = words.len();
        let Some(behind) = word(rest, words) else {
            return false;
        };
        spans.push(Span { start, end: words.len() });
        rest = behind;
    }
}

/// Appends the first word of `rest`; gives what is behind it.
fn word<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return Some(rest),
            [byte, ..] if byte.is_ascii_whitespace() => return Some(rest),
            [b'"', quoted @ ..] => return closed(double(quoted, words)?),
            [b'\'', quoted @ ..] => return closed(single(quoted, words)?),
            [byte, behind @ ..] => {
                words.push(*byte);
                behind
            }
        };
    }
}

/// What is behind a closing quote, which must be space.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some(rest)
}

fn double<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                words.push(16 * nibble(*high) + nibble(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                words.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                behind
            }
            [byte, behind @ ..] => {
                words.push(*byte);
                behind
            }
        };
    }
}

fn single<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => {
                words.push(b'\'');
                behind
            }
            [byte, behind @ ..] => {
                words.push(*byte);
                behind
            }
        };
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut words, mut spans) = (Vec::new(), Vec::new());
        split(line, &mut words, &mut spans)
            .then(|| spans.iter().map(|span| words[span.start..span.end].to_vec()).collect())
    }

    #[test]
    fn words_quotes_and_escapes() {
        let of = |line: &[u8], expected: &[&[u8]]| {
            let expected: Vec<Vec<u8>> = expected.iter().map(|word| word.to_vec()).collect();
            assert_eq!(words(line), Some(expected), "{}", String::from_utf8_lossy(line));
        };
        of(b"", &[]);
        of(b"  \t ", &[]);
        of(b" set  a\tb ", &[b"set", b"a", b"b"]);
        of(br#"set "a b" 'c d'"#, &[b"set", b"a b", b"c d"]);
        of(br#""\x41\x4a\n\r\t\b\a\"\\\q""#, &[b"\x41\x4a\n\r\t\x08\x07\"\\q"]);
        of(br#""\xzz""#, &[b"xzz"]);
        of(br"'it\'s \n'", &[br"it's \n"]);
        of(br#"a"b c""#, &[b"ab c"]);
        of(br#""""#, &[b""]);
    }

    #[test]
    fn a_quote_that_is_not_closed_or_is_followed_by_more_is_refused() {
        for line in [&br#"get "a"#[..], b"get 'a", br#"get "a"b"#, b"'a'b", br#""a\"#] {
            assert_eq!(words(line), None, "{}", String::from_utf8_lossy(line));
        }
    }
}
