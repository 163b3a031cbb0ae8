//! HTTP/1.1: one request again and again, and where each answer ends.
//!
//! Owns: the request as bytes, and the three ways in which a body ends: by its length, by its last
//! chunk, with the connection. Mirrors RFC 9112.

use std::io;
use std::rc::Rc;

use super::super::args::Args;
use super::super::target::{Target, wrong};
use super::{Answer, Fed, Wrong};

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Rc<[u8]>,
    /// Its answer has no body.
    is_head: bool,
}

impl Request {
    /// What the arguments ask.
    ///
    /// # Errors
    /// `InvalidInput` for a method or a header that is none; those of reading the body.
    pub fn new(args: &Args, target: &Target) -> io::Result<Self> {
        let body = match (&args.body, &args.body_file) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(file)) => Some(std::fs::read(file).map_err(|error| {
                let text = format!("cannot read {}: {error}", file.display());
                io::Error::new(error.kind(), text)
            })?),
            (None, None) => None,
        };
        let method = &args.method;
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(wrong(&format!("{method:?} is no method")));
        }
        let mut head = format!("{method} {} HTTP/1.1\r\n", target.path);
        let mut names = Vec::new();
        for header in &args.header {
            let (name, value) = header.split_once(':').unwrap_or((header, "\n"));
            let is_text = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
            if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_text) {
                return Err(wrong(&format!("{header:?} is no header: it is \"Name: value\"")));
            }
            names.push(name.to_ascii_lowercase());
            head += &format!("{name}: {}\r\n", value.trim());
        }
        let has = |name: &str| names.iter().any(|given| given == name);
        if !has("host") {
            head += &format!("Host: {}\r\n", target.authority);
        }
        if !has("user-agent") {
            head += concat!("User-Agent: annulus-load/", env!("CARGO_PKG_VERSION"), "\r\n");
        }
        if args.no_keep_alive && !has("connection") {
            head += "Connection: close\r\n";
        }
        if has("transfer-encoding") || has("content-length") {
            return Err(wrong("the length of a body is known: leave its header out"));
        }
        if let Some(body) = &body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let bytes = [head.as_bytes(), body.as_deref().unwrap_or_default()].concat();
        Ok(Self { bytes: bytes.into(), is_head: method == "HEAD" })
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Where in an answer it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Head,
    /// So many bytes of the body are to come.
    Body(u64),
    /// The line with the length of a chunk.
    ChunkHead,
    /// So many bytes of a chunk are to come, its line end included.
    Chunk(u64),
    /// The lines behind the last chunk.
    Trailers,
    /// The body ends with the connection.
    UntilEnd,
}

#[derive(Debug)]
pub struct Http {
    request: Request,
    part: Part,
    answer: Answer,
}

/// The longest head, and the longest line of a chunk.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
const LINE_BYTES_MAX: usize = 8 * 1024;

impl Http {
    pub fn new(request: Request) -> Self {
        Self { request, part: Part::Head, answer: Answer::default() }
    }

    pub fn request(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request.bytes);
    }

    pub fn restart(&mut self) {
        self.part = Part::Head;
    }

    pub fn end(&mut self) -> Option<Answer> {
        (self.part == Part::UntilEnd).then_some(Answer { last: true, ..self.answer })
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Wrong> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let step = match self.part {
                Part::Head => self.head(rest)?,
                Part::Body(0) => {
                    self.part = Part::Head;
                    return Ok(Fed::Answer { used, answer: self.answer });
                }
                Part::Body(missing) => {
                    let taken = (rest.len() as u64).min(missing);
                    self.part = Part::Body(missing - taken);
                    (taken > 0).then_some(taken as usize)
                }
                Part::ChunkHead => self.chunk_head(rest)?,
                Part::Chunk(missing) => {
                    let taken = (rest.len() as u64).min(missing);
                    self.part = match missing - taken {
                        0 => Part::ChunkHead,
                        missing => Part::Chunk(missing),
                    };
                    (taken > 0).then_some(taken as usize)
                }
                Part::Trailers => match line(rest)? {
                    Some((b"", len)) => {
                        self.part = Part::Body(0);
                        Some(len)
                    }
                    other => other.map(|(_, len)| len),
                },
                Part::UntilEnd => (!rest.is_empty()).then_some(rest.len()),
            };
            match step {
                Some(taken) => used += taken,
                None => return Ok(Fed::More { used }),
            }
        }
    }

    /// Reads the head; gives its length if it is all there.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Wrong> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let len = match response.parse(bytes).map_err(|_| Wrong)? {
            httparse::Status::Complete(len) => len,
            httparse::Status::Partial if bytes.len() > HEAD_BYTES_MAX => return Err(Wrong),
            httparse::Status::Partial => return Ok(None),
        };
        let status = response.code.ok_or(Wrong)?;
        if status / 100 == 1 {
            // Another head follows.
            return Ok(Some(len));
        }
        let (mut length, mut chunked) = (None, false);
        let mut last = response.version == Some(0);
        for header in &*response.headers {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                let given = value.parse::<u64>().map_err(|_| Wrong)?;
                if length.is_some_and(|length| length != given) {
                    return Err(Wrong);
                }
                length = Some(given);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.to_ascii_lowercase().ends_with("chunked");
            } else if header.name.eq_ignore_ascii_case("connection") {
                let has = |option: &str| {
                    value.split(',').any(|word| word.trim().eq_ignore_ascii_case(option))
                };
                last = has("close") || last && !has("keep-alive");
            }
        }
        self.answer = Answer { status: Some(status), last };
        self.part = match (chunked, length) {
            _ if self.request.is_head || matches!(status, 204 | 304) => Part::Body(0),
            (true, _) => Part::ChunkHead,
            (false, Some(length)) => Part::Body(length),
            (false, None) => Part::UntilEnd,
        };
        Ok(Some(len))
    }

    fn chunk_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Wrong> {
        let Some((line, len)) = line(bytes)? else {
            return Ok(None);
        };
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
        let digits = std::str::from_utf8(digits.trim_ascii()).map_err(|_| Wrong)?;
        let size = u64::from_str_radix(digits, 16).ok().filter(|size| *size < u64::MAX - 2);
        self.part = match size.ok_or(Wrong)? {
            0 => Part::Trailers,
            size => Part::Chunk(size + 2),
        };
        Ok(Some(len))
    }
}

/// The first line without its end, and how long it is with it.
fn line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Wrong> {
    match bytes.iter().take(LINE_BYTES_MAX).position(|&byte| byte == b'\n') {
        Some(end) => Ok(Some((bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]), end + 1))),
        None if bytes.len() >= LINE_BYTES_MAX => Err(Wrong),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
