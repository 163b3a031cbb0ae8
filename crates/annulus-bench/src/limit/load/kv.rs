//! Requests of a cache that speaks the protocol of Redis: as many that set a value as that get one.
//!
//! Owns: what is asked, one long script that each connection says from another place on, and its
//! answers, byte for byte. Invariant: the script is written once, so any number of sends may read
//! it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use annulus_ring::Ring;

use super::{Taken, Talk, connect};
use crate::{Job, Sample, wrong};

/// Different keys.
const KEYS: usize = 1000;
/// Requests of the script: each key is set once and got once.
const REQUESTS: usize = 2 * KEYS;
const OK: &str = "+OK\r\n";

/// Asks a cache for values of `job.bytes` bytes.
///
/// # Errors
/// A connection cannot be made or ends; an answer is wrong or does not come; a ring is refused.
pub fn run(job: &Job) -> io::Result<Sample> {
    let script = Script::new(job.bytes);
    let first = TcpStream::from(connect(job)?);
    fill(&first, job.bytes)?;
    let depth = job.depth.max(1) as usize;
    let connections = (0..job.tasks as usize).map(|slot| Connection::new(slot, depth)).collect();
    super::run(job, 4096, Some(first.into()), Cache { script, connections })
}

/// Texts one behind the other, and where each begins.
struct Texts {
    bytes: &'static [u8],
    starts: Vec<usize>,
}

impl Texts {
    fn new(texts: impl Iterator<Item = String>) -> Self {
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            starts.push(bytes.len());
        }
        Self { bytes: bytes.leak(), starts }
    }

    fn of(&self, from: usize, to: usize) -> &'static [u8] {
        &self.bytes[self.starts[from]..self.starts[to]]
    }
}

struct Script {
    requests: Texts,
    answers: Texts,
}

impl Script {
    fn new(value_bytes: usize) -> Self {
        // Keys in an order that is not theirs; 7 and 1000 have no common divisor.
        let key = |number: usize| number * 7 % KEYS;
        let request = |number: usize| match number % 2 {
            0 => set(key(number / 2), value_bytes),
            _ => get(key(number / 2 + KEYS / 2)),
        };
        let answer = |number: usize| match number % 2 {
            0 => OK.to_owned(),
            _ => {
                let value = value(key(number / 2 + KEYS / 2), value_bytes);
                format!("${}\r\n{value}\r\n", value.len())
            }
        };
        let requests = Texts::new((0..REQUESTS).map(request));
        Self { requests, answers: Texts::new((0..REQUESTS).map(answer)) }
    }
}

fn name(key: usize) -> String {
    format!("key:{key:08}")
}

fn value(key: usize, bytes: usize) -> String {
    name(key).bytes().rev().cycle().take(bytes).map(char::from).collect()
}

fn set(key: usize, value_bytes: usize) -> String {
    let (name, value) = (name(key), value(key, value_bytes));
    let (n, v) = (name.len(), value.len());
    format!("*3\r\n$3\r\nSET\r\n${n}\r\n{name}\r\n${v}\r\n{value}\r\n")
}

fn get(key: usize) -> String {
    let name = name(key);
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{name}\r\n", name.len())
}

/// Sets all keys, by blocking calls, so that what is got is there.
fn fill(mut stream: &TcpStream, value_bytes: usize) -> io::Result<()> {
    for first in (0..KEYS).step_by(100) {
        let requests: String = (first..first + 100).map(|key| set(key, value_bytes)).collect();
        stream.write_all(requests.as_bytes())?;
        let mut answers = vec![0; 100 * OK.len()];
        stream.read_exact(&mut answers)?;
        if answers != OK.repeat(100).as_bytes() {
            return Err(wrong("a value was not set"));
        }
    }
    Ok(())
}

struct Cache {
    script: Script,
    connections: Vec<Connection>,
}

/// Places in the script; they only grow, and are taken modulo its length.
struct Connection {
    asked: usize,
    answered: usize,
    /// How much came of the answer that is not whole.
    came: usize,
    /// When each of the requests that may be outstanding was asked.
    asked_at: Box<[Instant]>,
}

impl Connection {
    fn new(slot: usize, depth: usize) -> Self {
        let start = slot * 38 % REQUESTS;
        Self {
            asked: start,
            answered: start,
            came: 0,
            asked_at: vec![Instant::now(); depth].into(),
        }
    }
}

impl Talk for Cache {
    fn ask(&mut self, ring: &mut Ring, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        let connection = &mut self.connections[slot as usize];
        let mut left = requests;
        while left > 0 {
            let from = connection.asked % REQUESTS;
            let piece = left.min(REQUESTS - from);
            let depth = connection.asked_at.len();
            for number in connection.asked..connection.asked + piece {
                connection.asked_at[number % depth] = now;
            }
            connection.asked += piece;
            left -= piece;
            let bytes = self.script.requests.of(from, from + piece);
            // SAFETY: leaked memory that nobody writes to.
            unsafe { super::send(ring, slot, bytes.as_ptr(), bytes.len()) }?;
        }
        Ok(())
    }

    fn hear(&mut self, slot: u32, mut came: &[u8], taken: &mut Taken) -> io::Result<usize> {
        let connection = &mut self.connections[slot as usize];
        let before = connection.answered;
        while !came.is_empty() {
            if connection.answered == connection.asked {
                return Err(wrong("an answer came that nobody asked for"));
            }
            let at = connection.answered % REQUESTS;
            let expected = &self.script.answers.of(at, at + 1)[connection.came..];
            let (here, rest) = came.split_at(came.len().min(expected.len()));
            if !expected.starts_with(here) {
                return Err(wrong("another answer came"));
            }
            came = rest;
            connection.came += here.len();
            if here.len() == expected.len() {
                taken.note(connection.asked_at[connection.answered % connection.asked_at.len()]);
                connection.answered += 1;
                connection.came = 0;
            }
        }
        Ok(connection.answered - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_set_once_and_got_once() {
        let script = Script::new(3);
        let all = String::from_utf8(script.requests.bytes.to_vec()).unwrap();
        for key in 0..KEYS {
            assert_eq!(all.matches(&get(key)).count(), 1, "{key}");
            assert_eq!(all.matches(&set(key, 3)).count(), 1, "{key}");
        }
        let (got, answer) = (script.requests.of(1, 2), script.answers.of(1, 2));
        assert_eq!(got, get(500).as_bytes());
        assert_eq!(answer, b"$3\r\n005\r\n");
        assert_eq!(script.answers.of(0, 1), b"+OK\r\n");
    }
}
