//! The load of HTTP: connections that each ask for the same thing again and again.
//!
//! Owns: the other side of a server that greets. Invariants: a connection has one request
//! outstanding; every response is as long as the first was, begins with its status and ends with
//! the greeting.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use annulus_ring::abi::{Cqe, Errno, RecvSendFlags, SqeFlags};
use annulus_ring::op::{RecvMulti, Send};
use annulus_ring::{Ring, Target};
use hdrhistogram::Histogram;

use super::load::{connect, measured};
use super::pool::{BGID, Pool};
use crate::{Job, Latency, Sample, sys};

/// A server that answers nobody for so long is given up; one under Valgrind has longer.
const PATIENCE_NS: u64 = 5_000_000_000;
const PATIENCE_COUNTED_NS: u64 = 60_000_000_000;
const RECV: u64 = 0;
const SEND: u64 = 1;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n";
const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// Connects, warms the server up, says so, and asks as soon as it hears a line.
///
/// # Errors
/// Those of connect(2); a ring is refused; a response is wrong or does not come.
pub fn run(job: &Job) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let mut load = Load::connect(job)?;
    measured(job, |window, requests| load.run(window, requests))
}

struct Load {
    ring: Ring,
    pool: Pool,
    connections: Vec<Connection>,
    /// Of a response.
    bytes: usize,
    starved: Vec<u32>,
    outstanding: usize,
    requests: u64,
    latency: Histogram<u64>,
    patience_ns: u64,
}

struct Connection {
    _stream: OwnedFd,
    /// Bytes of the response that have come.
    came: usize,
    asked_at: Instant,
}

impl Load {
    fn connect(job: &Job) -> io::Result<Self> {
        let mut ring = Ring::builder().entries(256).cq_entries(8192).build()?;
        ring.register_files_sparse(job.tasks)?;
        let buffers = (2 * job.tasks).next_power_of_two().clamp(64, 16384);
        let pool = Pool::register(&mut ring, buffers as u16, 1024)?;
        let mut load = Self {
            ring,
            pool,
            connections: Vec::with_capacity(job.tasks as usize),
            bytes: 0,
            starved: Vec::new(),
            outstanding: 0,
            requests: 0,
            latency: Histogram::new_with_bounds(1, PATIENCE_COUNTED_NS, 3)
                .map_err(io::Error::other)?,
            patience_ns: job.ops.map_or(PATIENCE_NS, |_| PATIENCE_COUNTED_NS),
        };
        for slot in 0..job.tasks {
            let stream = TcpStream::from(connect(job)?);
            if slot == 0 {
                load.bytes = first_response(&stream)?;
            }
            load.ring.update_files(slot, &[stream.as_raw_fd()])?;
            let (came, asked_at) = (0, Instant::now());
            load.connections.push(Connection { _stream: stream.into(), came, asked_at });
            load.receive(slot)?;
        }
        Ok(load)
    }

    fn run(&mut self, window: Duration, requests: u64) -> io::Result<Sample> {
        self.requests = 0;
        self.latency.reset();
        let start = Instant::now();
        for slot in 0..self.connections.len() as u32 {
            self.ask(slot, start)?;
        }
        let mut batch = Vec::with_capacity(self.connections.len());
        while self.outstanding > 0 {
            super::wait(&mut self.ring, Some(self.patience_ns))?;
            if self.ring.reap_into(&mut batch) == 0 {
                let seconds = self.patience_ns / 1_000_000_000;
                let message = format!("the server has not answered for {seconds} seconds");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            let now = Instant::now();
            let more = now - start < window && self.requests < requests;
            for cqe in batch.drain(..) {
                self.completed(&cqe, now, more)?;
            }
            self.pool.publish();
            for slot in std::mem::take(&mut self.starved) {
                self.receive(slot)?;
            }
        }
        Ok(Sample {
            ops: self.requests,
            wall_ns: start.elapsed().as_nanos() as u64,
            latency: Some(Latency {
                p50_ns: self.latency.value_at_quantile(0.5),
                p99_ns: self.latency.value_at_quantile(0.99),
                p999_ns: self.latency.value_at_quantile(0.999),
            }),
            ..Sample::default()
        })
    }

    fn completed(&mut self, cqe: &Cqe, now: Instant, more: bool) -> io::Result<()> {
        let slot = cqe.user_data as u32;
        if cqe.user_data >> 32 == SEND {
            // Successful sends post nothing.
            return match cqe.result() {
                Ok(_) => Err(io::Error::new(io::ErrorKind::WriteZero, "a short send")),
                Err(errno) => Err(errno.into()),
            };
        }
        match cqe.result() {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(Errno(libc::ENOBUFS)) => {
                self.starved.push(slot);
                return Ok(());
            }
            Err(errno) => return Err(errno.into()),
            Ok(bytes) => {
                if self.is_answered(slot, cqe, bytes as usize)? {
                    let asked_at = self.connections[slot as usize].asked_at;
                    self.latency.saturating_record((now - asked_at).as_nanos() as u64);
                    self.outstanding -= 1;
                    self.requests += 1;
                    if more {
                        self.ask(slot, now)?;
                    }
                }
            }
        }
        if !cqe.more() {
            self.receive(slot)?;
        }
        Ok(())
    }

    /// Whether a response is whole with these bytes.
    fn is_answered(&mut self, slot: u32, cqe: &Cqe, bytes: usize) -> io::Result<bool> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "another response came");
        let bid = cqe.buffer_id().ok_or_else(wrong)?;
        let connection = &mut self.connections[slot as usize];
        // SAFETY: the completion named the buffer, which is given back below.
        let piece = unsafe { self.pool.bytes(bid, bytes) };
        let status = &STATUS[connection.came.min(STATUS.len())..];
        let begins = piece.iter().zip(status).all(|(came, expected)| came == expected);
        connection.came += bytes;
        let left = self.bytes.checked_sub(connection.came);
        self.pool.give(bid);
        match left {
            Some(0) if begins => {
                connection.came = 0;
                Ok(true)
            }
            Some(_) if begins => Ok(false),
            _ => Err(wrong()),
        }
    }

    fn ask(&mut self, slot: u32, now: Instant) -> io::Result<()> {
        self.outstanding += 1;
        self.connections[slot as usize].asked_at = now;
        let send = Send {
            target: Target::Fixed(slot),
            addr: REQUEST.as_ptr(),
            len: REQUEST.len() as u32,
            flags: libc::MSG_WAITALL | libc::MSG_NOSIGNAL,
            ioprio: RecvSendFlags::EMPTY,
        };
        let user_data = SEND << 32 | u64::from(slot);
        // SAFETY: it reads static memory.
        unsafe { super::push(&mut self.ring, &send, user_data, SqeFlags::CQE_SKIP_SUCCESS) }
    }

    fn receive(&mut self, slot: u32) -> io::Result<()> {
        let recv = RecvMulti {
            target: Target::Fixed(slot),
            bgid: BGID,
            ioprio: RecvSendFlags::EMPTY,
            cap_bytes: 0,
        };
        let user_data = RECV << 32 | u64::from(slot);
        // SAFETY: it writes to the pool's buffers, which are never freed.
        unsafe { super::push(&mut self.ring, &recv, user_data, SqeFlags::EMPTY) }
    }
}

/// Asks once, by blocking calls, and gives the length of the response.
fn first_response(mut stream: &TcpStream) -> io::Result<usize> {
    stream.write_all(REQUEST)?;
    let mut response = Vec::new();
    while !response.ends_with(crate::GREETING.as_bytes()) {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece)?;
        if n == 0 || response.len() > 4096 {
            let text = String::from_utf8_lossy(&response).into_owned();
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        response.extend_from_slice(&piece[..n]);
    }
    Ok(response.len())
}
