//! The load: connections that each have one request outstanding, and compare the answer.
//!
//! Owns: the other side of an echo server, on the bare ring so that it is not what is slow.
//! Invariants: when a window ends every request has been answered, so CPU time that is read before
//! and after it belongs to its requests and to nothing else; the bytes of a request change only
//! after its answer.

use std::io::{self, BufRead as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use annulus_ring::abi::{Cqe, Errno, RecvSendFlags, SqeFlags};
use annulus_ring::op::{RecvMulti, Send};
use annulus_ring::{Ring, Target};
use hdrhistogram::Histogram;

use super::pool::{BGID, Pool};
use crate::{Job, Latency, Sample, sys};

/// A server that answers nobody for so long is given up.
const PATIENCE_NS: u64 = 5_000_000_000;
const PATIENCE_MESSAGE: &str = "the server has not answered for 5 seconds";
const RECV: u64 = 0;
const SEND: u64 = 1;

/// Connects, warms the server up, says so, and asks as soon as it hears a line.
///
/// # Errors
/// Those of [`Load`].
pub fn run(job: &Job) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let mut load = Load::connect(job.address, job.tasks, job.bytes.max(8))?;
    if job.ops.is_none() {
        load.run(job.window / 10, u64::MAX)?;
    }
    println!("{{\"ready\":true}}");
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    match job.ops {
        Some(ops) => load.run(Duration::MAX, ops),
        None => load.run(job.window, u64::MAX),
    }
}

/// Connects, and tries again for a while: not every server has its listener from the start.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match TcpStream::connect(address) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                if Instant::now() > deadline {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            connected => return connected,
        }
    }
}

/// All connections of a load.
pub struct Load {
    ring: Ring,
    pool: Pool,
    connections: Vec<Connection>,
    /// Leaked: a send may read it until its completion, which is not awaited.
    messages: *mut u8,
    /// Of a request.
    bytes: usize,
    starved: Vec<u32>,
    outstanding: usize,
    requests: u64,
    latency: Histogram<u64>,
}

struct Connection {
    _stream: TcpStream,
    /// Bytes of the answer so far.
    answered: usize,
    asked_at: Instant,
}

impl Load {
    /// Connects.
    ///
    /// # Errors
    /// Those of connect(2); a ring is refused.
    pub fn connect(address: SocketAddr, connections: u32, bytes: usize) -> io::Result<Self> {
        let mut ring = Ring::builder().entries(256).cq_entries(8192).build()?;
        ring.register_files_sparse(connections)?;
        let buffers = (2 * connections).next_power_of_two().clamp(64, 16384);
        let pool = Pool::register(&mut ring, buffers as u16, bytes)?;
        let messages = vec![0x5a; bytes * connections as usize].leak();
        let mut load = Self {
            ring,
            pool,
            connections: Vec::with_capacity(connections as usize),
            messages: messages.as_mut_ptr(),
            bytes,
            starved: Vec::new(),
            outstanding: 0,
            requests: 0,
            latency: Histogram::new_with_bounds(1, PATIENCE_NS, 3).map_err(io::Error::other)?,
        };
        for slot in 0..connections {
            let stream = connect(address)?;
            stream.set_nodelay(true)?;
            load.ring.update_files(slot, &[stream.as_raw_fd()])?;
            load.connections.push(Connection {
                _stream: stream,
                answered: 0,
                asked_at: Instant::now(),
            });
            load.receive(slot)?;
        }
        Ok(load)
    }

    /// Asks on all connections, again and again, for so long or until so many requests have been
    /// answered; then waits for the last answers.
    ///
    /// # Errors
    /// The ring fails, a connection ends, an answer is wrong or does not come.
    pub fn run(&mut self, window: Duration, requests: u64) -> io::Result<Sample> {
        self.requests = 0;
        self.latency.reset();
        let start = Instant::now();
        for slot in 0..self.connections.len() as u32 {
            self.ask(slot, start)?;
        }
        let mut batch = Vec::with_capacity(self.connections.len());
        while self.outstanding > 0 {
            super::wait(&mut self.ring, Some(PATIENCE_NS))?;
            if self.ring.reap_into(&mut batch) == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, PATIENCE_MESSAGE));
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
            cpu_ns: 0,
            wall_ns: start.elapsed().as_nanos() as u64,
            latency: Some(Latency {
                p50_ns: self.latency.value_at_quantile(0.5),
                p99_ns: self.latency.value_at_quantile(0.99),
                p999_ns: self.latency.value_at_quantile(0.999),
            }),
            resident_bytes: None,
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
            Ok(bytes) => self.answered(slot, cqe, bytes as usize)?,
        }
        if !cqe.more() {
            self.receive(slot)?;
        }
        let connection = &mut self.connections[slot as usize];
        if connection.answered == self.bytes {
            connection.answered = 0;
            let latency_ns = (now - connection.asked_at).as_nanos() as u64;
            self.latency.saturating_record(latency_ns);
            self.outstanding -= 1;
            self.requests += 1;
            if more {
                self.ask(slot, now)?;
            }
        }
        Ok(())
    }

    /// Compares a piece of the answer with the same piece of the request.
    fn answered(&mut self, slot: u32, cqe: &Cqe, bytes: usize) -> io::Result<()> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "other bytes came back");
        let bid = cqe.buffer_id().ok_or_else(wrong)?;
        let from = self.connections[slot as usize].answered;
        // SAFETY: the completion named the buffer, which is given back below.
        let came = unsafe { self.pool.bytes(bid, bytes) };
        // SAFETY: within the messages; they are written by this thread alone.
        let message = unsafe { std::slice::from_raw_parts(self.message(slot), self.bytes) };
        let equal = message.get(from..from + bytes) == Some(came);
        self.pool.give(bid);
        self.connections[slot as usize].answered += bytes;
        if equal { Ok(()) } else { Err(wrong()) }
    }

    fn message(&self, slot: u32) -> *mut u8 {
        debug_assert!((slot as usize) < self.connections.len());
        self.messages.wrapping_add(slot as usize * self.bytes)
    }

    /// Sends a request unlike the one before.
    fn ask(&mut self, slot: u32, now: Instant) -> io::Result<()> {
        self.outstanding += 1;
        self.connections[slot as usize].asked_at = now;
        let mark = self.requests.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(slot);
        let message = self.message(slot);
        // SAFETY: within the messages; the last request was answered whole, so its send is over.
        unsafe { message.cast::<[u8; 8]>().write_unaligned(mark.to_ne_bytes()) };
        let send = Send {
            target: Target::Fixed(slot),
            addr: message,
            len: self.bytes as u32,
            flags: libc::MSG_WAITALL | libc::MSG_NOSIGNAL,
            ioprio: RecvSendFlags::EMPTY,
        };
        let user_data = SEND << 32 | u64::from(slot);
        let flags = SqeFlags::CQE_SKIP_SUCCESS;
        // SAFETY: leaked memory, not written again before the answer has come.
        unsafe { super::push(&mut self.ring, &send, user_data, flags) }
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
