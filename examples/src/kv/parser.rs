//! Requests, in place: where the arguments of a command lie in what was received.
//!
//! ```text
//!   *2\r\n $3\r\nGET\r\n $3\r\nkey\r\n *2\r\n$3\r\nGE
//!              ~~~           ~~~      │ a command that is cut off: where it goes on is kept,
//!              spans of a command     │ so no byte is parsed twice however small the pieces are
//! ```
//!
//! Owns: the two forms of requests, their limits, and the words for what breaks them. Does not own
//! a byte, but for inline arguments in quotes. Invariant: between two calls for one command the
//! bytes that were there stay as they were; more may follow them.

use super::inline;
use super::number;

/// What a command may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one argument, as `proto-max-bulk-len` of Redis.
    pub arg_bytes: usize,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Arguments of one command.
    pub args: usize,
    /// Bytes of one command, as `client-query-buffer-limit`.
    pub command_bytes: usize,
}

impl Limits {
    /// If nothing else is said.
    pub(super) const DEFAULT: Self = Self {
        arg_bytes: 512 * 1024 * 1024,
        key_bytes: 64 * 1024,
        args: 1024 * 1024,
        command_bytes: 1024 * 1024 * 1024,
    };
}

/// Bytes of an inline command, and of a line that has a number to say.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Where an argument lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The arguments of a command, its name the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Args<'a> {
    pub(super) base: &'a [u8],
    pub(super) spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn get(&self, index: usize) -> &'a [u8] {
        let Span { start, end } = self.spans[index];
        &self.base[start..end]
    }

    /// The arguments from `index` on.
    pub(super) fn rest(self, index: usize) -> impl Iterator<Item = &'a [u8]> {
        self.spans[index..].iter().map(move |span| &self.base[span.start..span.end])
    }
}

/// What a look at the bytes came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A command of so many bytes. It may have no arguments, and is nothing to answer then.
    Command(usize),
    /// It takes at least so many bytes.
    NeedAtLeast(usize),
}

/// Why the rest of a connection makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Broken {
    /// In the words of Redis.
    Protocol(&'static str),
    /// A `$` had to come.
    Expected(u8),
    /// A command of more bytes than there may be.
    TooLong,
}

#[derive(Debug)]
pub(super) struct Parser {
    limits: Limits,
    spans: Vec<Span>,
    /// Arguments that are still to come; nothing if a new command begins.
    missing: Option<usize>,
    /// How long the argument is whose head was read last.
    bulk: Option<usize>,
    /// Where to go on.
    at: usize,
    /// Up to where the end of a line was looked for in vain.
    looked: usize,
    /// What inline arguments are without their quotes, if the last command was of that kind.
    inline: Option<Vec<u8>>,
}

/// Room for arguments that is kept for the next command.
const SPANS_KEPT: usize = 1024;

impl Parser {
    pub(super) fn new(limits: Limits) -> Self {
        let spans = Vec::new();
        Self { limits, spans, missing: None, bulk: None, at: 0, looked: 0, inline: None }
    }

    /// Goes on with the command that `bytes` begin with.
    #[inline]
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let mut missing = match self.missing {
            Some(missing) => missing,
            None => match self.begin(bytes)? {
                Begun::Array(missing) => missing,
                Begun::Whole(len) => return Ok(Step::Command(len)),
                Begun::Not(wanted) => return Ok(Step::NeedAtLeast(wanted)),
            },
        };
        while missing > 0 {
            match self.argument(bytes)? {
                None => missing -= 1,
                Some(wanted) => {
                    self.missing = Some(missing);
                    return Ok(Step::NeedAtLeast(wanted));
                }
            }
        }
        self.missing = None;
        Ok(Step::Command(self.at))
    }

    /// The arguments of the command that was parsed last, out of the bytes that it was parsed from.
    #[inline]
    pub(super) fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args { base: self.inline.as_deref().unwrap_or(bytes), spans: &self.spans }
    }

    /// Gives up what a large command has left.
    pub(super) fn shrink(&mut self) {
        if self.missing.is_none() && self.spans.capacity() > SPANS_KEPT {
            self.spans = Vec::new();
        }
    }

    #[inline]
    fn begin(&mut self, bytes: &[u8]) -> Result<Begun, Broken> {
        self.spans.clear();
        self.inline = None;
        match bytes.first() {
            None => Ok(Begun::Not(1)),
            Some(b'*') => match self.count(bytes, 1, "too big mbulk count string")? {
                Found::Number(Some(len), at) if len <= self.limits.args as i64 => {
                    self.at = at;
                    let len = usize::try_from(len).unwrap_or(0);
                    Ok(if len == 0 { Begun::Whole(at) } else { Begun::Array(len) })
                }
                Found::Number(..) => Err(Broken::Protocol("invalid multibulk length")),
                Found::Cut => Ok(Begun::Not(bytes.len() + 1)),
            },
            Some(_) => self.line(bytes),
        }
    }

    /// An inline command: words up to the end of the line.
    fn line(&mut self, bytes: &[u8]) -> Result<Begun, Broken> {
        let Some(end) = self.line_end(bytes, (0, LINE_BYTES_MAX + 1), b'\n') else {
            if bytes.len() > LINE_BYTES_MAX {
                return Err(Broken::Protocol("too big inline request"));
            }
            return Ok(Begun::Not(bytes.len() + 1));
        };
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let mut words = Vec::new();
        if !inline::split(line, &mut words, &mut self.spans) {
            return Err(Broken::Protocol("unbalanced quotes in request"));
        }
        self.inline = Some(words);
        Ok(Begun::Whole(end + 1))
    }

    /// Reads the next argument. Gives how many bytes there must be if it is not all there.
    #[inline]
    fn argument(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let len = match self.bulk {
            Some(len) => len,
            None => {
                match bytes.get(self.at) {
                    None => return Ok(Some(self.at + 1)),
                    Some(b'$') => {}
                    Some(&other) => return Err(Broken::Expected(other)),
                }
                match self.count(bytes, self.at + 1, "too big bulk count string")? {
                    Found::Number(Some(len @ 0..), at) if len <= self.limits.arg_bytes as i64 => {
                        self.at = at;
                        self.bulk = Some(len as usize);
                        len as usize
                    }
                    Found::Number(..) => return Err(Broken::Protocol("invalid bulk length")),
                    Found::Cut => return Ok(Some(bytes.len() + 1)),
                }
            }
        };
        let end = self.at + len;
        // The line end behind an argument is skipped unseen, as Redis does.
        if bytes.len() < end + 2 {
            if end > self.limits.command_bytes {
                return Err(Broken::TooLong);
            }
            return Ok(Some(end + 2));
        }
        self.spans.push(Span { start: self.at, end });
        self.at = end + 2;
        self.bulk = None;
        Ok(None)
    }
}

/// How a command begins.
enum Begun {
    /// With so many arguments to come.
    Array(usize),
    /// It is all there: so many bytes.
    Whole(usize),
    /// It takes so many bytes to know.
    Not(usize),
}

enum Found {
    /// A number, if it is one, and where it goes on behind its line.
    Number(Option<i64>, usize),
    /// The line is not all there.
    Cut,
}

impl Parser {
    /// The number on the line that begins at `from`.
    #[inline]
    fn count(
        &mut self,
        bytes: &[u8],
        from: usize,
        too_long: &'static str,
    ) -> Result<Found, Broken> {
        // Nearly all are one digit or two.
        match &bytes[from..] {
            [digit @ b'0'..=b'9', b'\r', _, ..] => {
                self.looked = 0;
                return Ok(Found::Number(Some(i64::from(digit - b'0')), from + 3));
            }
            [tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, ..] => {
                self.looked = 0;
                let number = 10 * (tens - b'0') + (ones - b'0');
                return Ok(Found::Number(Some(i64::from(number)), from + 4));
            }
            _ => {}
        }
        match self.line_end(bytes, (from, from + LINE_BYTES_MAX), b'\r') {
            // Its second half must be there, too.
            Some(end) if end + 1 < bytes.len() => {
                Ok(Found::Number(number::parse(&bytes[from..end]), end + 2))
            }
            Some(end) => {
                self.looked = end;
                Ok(Found::Cut)
            }
            None if bytes.len() >= from + LINE_BYTES_MAX => Err(Broken::Protocol(too_long)),
            None => Ok(Found::Cut),
        }
    }

    /// Where the line ends that begins at `from`, if it does before `most`. What was looked at
    /// before is not looked at again, so a line costs no more if it comes byte by byte.
    fn line_end(&mut self, bytes: &[u8], (from, most): (usize, usize), last: u8) -> Option<usize> {
        let most = most.min(bytes.len());
        let from = self.looked.max(from).min(most);
        let found = bytes[from..most].iter().position(|&byte| byte == last);
        self.looked = if found.is_some() { 0 } else { most };
        found.map(|len| from + len)
    }
}

#[cfg(test)]
mod tests;
