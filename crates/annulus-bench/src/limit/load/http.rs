//! Requests of HTTP: the same thing asked again and again of a server that greets.
//!
//! Invariants: a connection has one request outstanding; every response is as long as the first
//! was, begins with its status and ends with the greeting.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use annulus_ring::Ring;

use super::{Taken, Talk, connect};
use crate::{Job, Sample, wrong};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n";
const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";
/// What one piece of a response is received into.
const BUFFER_BYTES: usize = 1024;

/// Asks a server of HTTP.
///
/// # Errors
/// A connection cannot be made or ends; a response is wrong or does not come; a ring is refused.
pub fn run(job: &Job) -> io::Result<Sample> {
    let first = TcpStream::from(connect(job)?);
    let bytes = first_response(&first)?;
    let silent = Connection { came: 0, asked_at: Instant::now() };
    let connections = vec![silent; job.tasks as usize];
    super::run(job, BUFFER_BYTES, Some(first.into()), Http { bytes, connections })
}

struct Http {
    connections: Vec<Connection>,
    /// Of a response.
    bytes: usize,
}

#[derive(Clone)]
struct Connection {
    /// Bytes of the response that have come.
    came: usize,
    asked_at: Instant,
}

impl Talk for Http {
    fn ask(&mut self, ring: &mut Ring, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        debug_assert_eq!(requests, 1, "a connection has one request outstanding");
        self.connections[slot as usize].asked_at = now;
        // SAFETY: static memory.
        unsafe { super::send(ring, slot, REQUEST.as_ptr(), REQUEST.len()) }
    }

    fn hear(&mut self, slot: u32, came: &[u8], taken: &mut Taken) -> io::Result<usize> {
        let connection = &mut self.connections[slot as usize];
        let status = &STATUS[connection.came.min(STATUS.len())..];
        let begins = came.iter().zip(status).all(|(came, expected)| came == expected);
        connection.came += came.len();
        match self.bytes.checked_sub(connection.came) {
            Some(0) if begins => {
                connection.came = 0;
                taken.note(connection.asked_at);
                Ok(1)
            }
            Some(_) if begins => Ok(0),
            _ => Err(wrong("another response came")),
        }
    }
}

/// Asks once, by blocking calls, and gives the length of the response.
fn first_response(mut stream: &TcpStream) -> io::Result<usize> {
    stream.write_all(REQUEST)?;
    let mut response = Vec::new();
    while !response.ends_with(crate::GREETING.as_bytes()) {
        let mut piece = [0; BUFFER_BYTES];
        let n = stream.read(&mut piece)?;
        if n == 0 || response.len() > 4 * BUFFER_BYTES {
            let text = String::from_utf8_lossy(&response).into_owned();
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        response.extend_from_slice(&piece[..n]);
    }
    Ok(response.len())
}
