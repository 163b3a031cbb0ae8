//! Requests that are to come back as they are.
//!
//! Invariant: the bytes of a request change only after its answer.
//!
//! ```text
//!   of each connection:  [ request ][ request ][ request ]…   as many places as may be outstanding
//!                             ^ answered: compared up to here
//!                                        ^ asked: sent up to here; then the first place again
//! ```

use std::io;
use std::time::Instant;

use annulus_ring::Ring;

use super::{Taken, Talk};
use crate::{Job, Sample, wrong};

/// Asks an echo server.
///
/// # Errors
/// A connection cannot be made or ends; an answer is wrong or does not come; a ring is refused.
pub fn run(job: &Job) -> io::Result<Sample> {
    let talk = Echoes::new(job);
    super::run(job, talk.bytes * talk.depth, None, talk)
}

struct Echoes {
    connections: Vec<Connection>,
    /// Leaked: a send may read it until its completion, which is not awaited.
    messages: *mut u8,
    /// Of a request.
    bytes: usize,
    /// Requests that a connection has outstanding.
    depth: usize,
}

struct Connection {
    /// Bytes that have come back, of all requests together.
    answered: u64,
    /// Requests that were made.
    asked: u64,
    /// When each place was asked last.
    asked_at: Box<[Instant]>,
}

impl Echoes {
    fn new(job: &Job) -> Self {
        let (bytes, depth) = (job.bytes.max(8), job.depth.max(1) as usize);
        let messages = vec![0x5a; bytes * depth * job.tasks as usize].leak();
        let silent =
            |_| Connection { answered: 0, asked: 0, asked_at: vec![Instant::now(); depth].into() };
        let connections = (0..job.tasks).map(silent).collect();
        Self { connections, messages: messages.as_mut_ptr(), bytes, depth }
    }

    /// Where a connection has its request of this number.
    fn place(&self, slot: u32, number: u64) -> *mut u8 {
        debug_assert!((slot as usize) < self.connections.len());
        let place = (number % self.depth as u64) as usize;
        self.messages.wrapping_add((slot as usize * self.depth + place) * self.bytes)
    }
}

impl Talk for Echoes {
    /// Each request is unlike the one before. They go in one piece or, where the places start
    /// again, in two: what is outstanding fits into the buffers of a socket, or it is one request
    /// and one piece, so no send is overtaken by the next.
    fn ask(&mut self, ring: &mut Ring, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        let mut left = requests as u64;
        while left > 0 {
            let first = self.connections[slot as usize].asked;
            let depth = self.depth as u64;
            let piece = left.min(depth - first % depth);
            for number in first..first + piece {
                let mark = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(slot);
                let place = self.place(slot, number).cast::<[u8; 8]>();
                // SAFETY: within the messages; the request that was there before was answered
                // whole, so its send is over.
                unsafe { place.write_unaligned(mark.to_ne_bytes()) };
                self.connections[slot as usize].asked_at[(number % depth) as usize] = now;
            }
            self.connections[slot as usize].asked += piece;
            let bytes = piece as usize * self.bytes;
            // SAFETY: leaked memory, not written again before the answer has come.
            unsafe { super::send(ring, slot, self.place(slot, first), bytes) }?;
            left -= piece;
        }
        Ok(())
    }

    /// Compares a piece of the answers with the same piece of the requests.
    fn hear(&mut self, slot: u32, came: &[u8], taken: &mut Taken) -> io::Result<usize> {
        let places = self.bytes * self.depth;
        let connection = &self.connections[slot as usize];
        let (before, after) = (connection.answered, connection.answered + came.len() as u64);
        // SAFETY: within the messages; they are written by this thread alone.
        let sent = unsafe { std::slice::from_raw_parts(self.place(slot, 0), places) };
        let from = (before % places as u64) as usize;
        let (first, rest) = came.split_at(came.len().min(places - from));
        let equal = after <= connection.asked * self.bytes as u64
            && sent[from..].starts_with(first)
            && sent.starts_with(rest);
        if !equal {
            return Err(wrong("other bytes came back"));
        }
        let (first, end) = (before / self.bytes as u64, after / self.bytes as u64);
        let connection = &mut self.connections[slot as usize];
        connection.answered = after;
        for number in first..end {
            taken.note(connection.asked_at[(number % self.depth as u64) as usize]);
        }
        Ok((end - first) as usize)
    }
}
