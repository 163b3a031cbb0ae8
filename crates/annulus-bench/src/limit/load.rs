//! The load: connections that each have a few requests outstanding, and compare the answers.
//!
//! Owns: the other side of an echo server, on the bare ring so that it is not what is slow.
//! Invariants: when a window ends every request has been answered, so CPU time that is read before
//! and after it belongs to its requests and to nothing else; the bytes of a request change only
//! after its answer.
//!
//! ```text
//!   of each connection:  [ request ][ request ][ request ]…   as many places as may be outstanding
//!                             ^ answered: compared up to here
//!                                        ^ asked: sent up to here; then the first place again
//! ```

use std::io::{self, BufRead as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use annulus_ring::abi::{Cqe, Errno, RecvSendFlags, SqeFlags};
use annulus_ring::op::{RecvMulti, Send};
use annulus_ring::{Ring, Target};
use hdrhistogram::Histogram;

use super::pool::{BGID, Pool};
use crate::{Address, Job, Latency, Sample, sys};

/// A server that answers nobody for so long is given up.
const PATIENCE_NS: u64 = 5_000_000_000;
/// One that runs under Valgrind has longer.
const PATIENCE_COUNTED_NS: u64 = 60_000_000_000;
const RECV: u64 = 0;
const SEND: u64 = 1;

/// Connects, warms the server up, says so, and asks as soon as it hears a line.
///
/// # Errors
/// Those of [`Load`].
pub fn run(job: &Job) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let mut load = Load::connect(job)?;
    measured(job, |window, requests| load.run(window, requests))
}

/// Warms a server up, says so, and measures as soon as it hears a line.
pub(super) fn measured(
    job: &Job,
    mut run: impl FnMut(Duration, u64) -> io::Result<Sample>,
) -> io::Result<Sample> {
    if job.ops.is_none() {
        run(job.window / 10, u64::MAX)?;
    }
    println!("{{\"ready\":true}}");
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    match job.ops {
        Some(ops) => run(Duration::MAX, ops),
        None => run(job.window, u64::MAX),
    }
}

/// Connects, and tries again for a while: not every server has its listener from the start.
pub(super) fn connect(job: &Job) -> io::Result<OwnedFd> {
    let seconds = if job.ops.is_some() { 30 } else { 2 };
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match connect_once(&job.address) {
            Err(error) if is_early(&error) => {
                if Instant::now() > deadline {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            connected => return connected,
        }
    }
}

/// Nothing listens yet.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

fn connect_once(address: &Address) -> io::Result<OwnedFd> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            Ok(stream.into())
        }
        Address::Udp(address) => {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(address)?;
            Ok(socket.into())
        }
        Address::Unix(path) => UnixStream::connect(path).map(OwnedFd::from),
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
    /// Requests that a connection has outstanding.
    depth: usize,
    starved: Vec<u32>,
    outstanding: usize,
    requests: u64,
    latency: Histogram<u64>,
    patience_ns: u64,
}

struct Connection {
    _stream: OwnedFd,
    /// Bytes that have come back, of all requests together.
    answered: u64,
    /// Requests that were made.
    asked: u64,
    /// When each place was asked last.
    asked_at: Box<[Instant]>,
}

impl Load {
    /// Connects.
    ///
    /// # Errors
    /// Those of connect(2); a ring is refused.
    pub fn connect(job: &Job) -> io::Result<Self> {
        let (connections, bytes, depth) = (job.tasks, job.bytes.max(8), job.depth.max(1) as usize);
        let mut ring = Ring::builder().entries(256).cq_entries(8192).build()?;
        ring.register_files_sparse(connections)?;
        let buffers = (2 * connections).next_power_of_two().clamp(64, 16384);
        let pool = Pool::register(&mut ring, buffers as u16, bytes * depth)?;
        let messages = vec![0x5a; bytes * depth * connections as usize].leak();
        let mut load = Self {
            ring,
            pool,
            connections: Vec::with_capacity(connections as usize),
            messages: messages.as_mut_ptr(),
            bytes,
            depth,
            starved: Vec::new(),
            outstanding: 0,
            requests: 0,
            latency: Histogram::new_with_bounds(1, PATIENCE_COUNTED_NS, 3)
                .map_err(io::Error::other)?,
            patience_ns: job.ops.map_or(PATIENCE_NS, |_| PATIENCE_COUNTED_NS),
        };
        for slot in 0..connections {
            let stream = connect(job)?;
            load.ring.update_files(slot, &[stream.as_raw_fd()])?;
            load.connections.push(Connection {
                _stream: stream,
                answered: 0,
                asked: 0,
                asked_at: vec![Instant::now(); depth].into(),
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
            self.ask(slot, self.depth, start)?;
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
                let whole = self.answered(slot, cqe, bytes as usize, now)?;
                if more && whole > 0 {
                    self.ask(slot, whole, now)?;
                }
            }
        }
        if !cqe.more() {
            self.receive(slot)?;
        }
        Ok(())
    }

    /// Compares a piece of the answers with the same piece of the requests, and gives how many
    /// are whole with it.
    fn answered(&mut self, slot: u32, cqe: &Cqe, bytes: usize, now: Instant) -> io::Result<usize> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "other bytes came back");
        let bid = cqe.buffer_id().ok_or_else(wrong)?;
        let places = self.bytes * self.depth;
        let connection = &self.connections[slot as usize];
        let (before, after) = (connection.answered, connection.answered + bytes as u64);
        // SAFETY: the completion named the buffer, which is given back below.
        let came = unsafe { self.pool.bytes(bid, bytes) };
        // SAFETY: within the messages; they are written by this thread alone.
        let sent = unsafe { std::slice::from_raw_parts(self.place(slot, 0), places) };
        let from = (before % places as u64) as usize;
        let (first, rest) = came.split_at(bytes.min(places - from));
        let equal = after <= connection.asked * self.bytes as u64
            && sent[from..].starts_with(first)
            && sent.starts_with(rest);
        self.pool.give(bid);
        if !equal {
            return Err(wrong());
        }
        let (first, end) = (before / self.bytes as u64, after / self.bytes as u64);
        let connection = &mut self.connections[slot as usize];
        connection.answered = after;
        for number in first..end {
            let asked_at = connection.asked_at[(number % self.depth as u64) as usize];
            self.latency.saturating_record((now - asked_at).as_nanos() as u64);
        }
        let whole = (end - first) as usize;
        self.outstanding -= whole;
        self.requests += whole as u64;
        Ok(whole)
    }

    /// Where a connection has its request of this number.
    fn place(&self, slot: u32, number: u64) -> *mut u8 {
        debug_assert!((slot as usize) < self.connections.len());
        let place = (number % self.depth as u64) as usize;
        self.messages.wrapping_add((slot as usize * self.depth + place) * self.bytes)
    }

    /// Sends so many requests, each unlike the one before, in one piece or, where the places start
    /// again, in two: what is outstanding fits into the buffers of a socket, or it is one request
    /// and one piece, so no send is overtaken by the next.
    fn ask(&mut self, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        self.outstanding += requests;
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
            self.send(slot, self.place(slot, first), piece as usize * self.bytes)?;
            left -= piece;
        }
        Ok(())
    }

    fn send(&mut self, slot: u32, addr: *const u8, bytes: usize) -> io::Result<()> {
        let send = Send {
            target: Target::Fixed(slot),
            addr,
            len: bytes as u32,
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
