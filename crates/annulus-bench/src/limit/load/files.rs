//! Requests of a file over HTTP: the same one, again and again.
//!
//! Invariants: a connection has one request outstanding; every answer says 200 and the length of
//! the file, and is followed by all of it, every byte compared.

use std::io::{self, Write as _};
use std::time::Instant;

use annulus_ring::Ring;

use super::{Taken, Talk};
use crate::site::Contents;
use crate::{Job, Sample, wrong};

const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";
const LENGTH: &str = "content-length:";
/// A head that is longer is none.
const HEAD_MAX: usize = 4096;

/// Asks a server of files for the file of `job.bytes` bytes.
///
/// # Errors
/// A connection cannot be made or ends; an answer is wrong or does not come; a ring is refused.
pub fn run(job: &Job) -> io::Result<Sample> {
    let mut request = Vec::new();
    write!(request, "GET /{} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n", job.bytes)?;
    let silent = || Connection { head: Vec::new(), came: None, asked_at: Instant::now() };
    let connections = (0..job.tasks).map(|_| silent()).collect();
    let contents = Contents::new();
    let talk = Files { request: request.leak(), bytes: job.bytes, connections, contents };
    super::run(job, job.bytes + HEAD_MAX, None, talk)
}

struct Files {
    request: &'static [u8],
    /// Of the file.
    bytes: usize,
    connections: Vec<Connection>,
    contents: Contents,
}

struct Connection {
    /// What came of the head.
    head: Vec<u8>,
    /// How much came of the file, once the head is whole.
    came: Option<usize>,
    asked_at: Instant,
}

impl Talk for Files {
    fn ask(&mut self, ring: &mut Ring, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        debug_assert_eq!(requests, 1, "a connection has one request outstanding");
        self.connections[slot as usize].asked_at = now;
        // SAFETY: leaked memory that nobody writes to.
        unsafe { super::send(ring, slot, self.request.as_ptr(), self.request.len()) }
    }

    fn hear(&mut self, slot: u32, came: &[u8], taken: &mut Taken) -> io::Result<usize> {
        let connection = &mut self.connections[slot as usize];
        let body = match connection.came {
            Some(_) => came,
            None => connection.hear_head(came, self.bytes)?,
        };
        let Some(before) = connection.came else {
            return Ok(0);
        };
        self.contents.check(before, body)?;
        match self.bytes.checked_sub(before + body.len()) {
            None => Err(wrong("more came than the file")),
            Some(0) => {
                connection.came = None;
                taken.note(connection.asked_at);
                Ok(1)
            }
            Some(_) => {
                connection.came = Some(before + body.len());
                Ok(0)
            }
        }
    }
}

impl Connection {
    /// Takes what belongs to the head, and gives what follows it.
    fn hear_head<'c>(&mut self, came: &'c [u8], bytes: usize) -> io::Result<&'c [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(&came[..came.len().min(HEAD_MAX)]);
        let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
            if self.head.len() > HEAD_MAX {
                return Err(wrong("a head without an end came"));
            }
            return Ok(&[]);
        };
        let head = String::from_utf8_lossy(&self.head[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix(LENGTH)?.trim().parse().ok());
        if !self.head.starts_with(STATUS) || length != Some(bytes) {
            return Err(wrong(&format!("another answer came: {head:?}")));
        }
        self.head.clear();
        self.came = Some(0);
        Ok(&came[end + 4 - before..])
    }
}
