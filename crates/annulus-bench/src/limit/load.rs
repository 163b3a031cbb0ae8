//! The load: connections that each have a few requests outstanding, and look at the answers.
//!
//! Owns: the other side of a server, on the bare ring so that it is not what is slow; what is asked
//! and what an answer must be, a [`Talk`] knows. Invariant: when a window ends every request has
//! been answered, so CPU time that is read before and after it belongs to its requests and to
//! nothing else.

pub mod echoes;
pub mod files;
pub mod http;
pub mod kv;
#[cfg(feature = "tls")]
pub mod tls;

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
use crate::{Address, Job, Latency, Sample, sys, wrong};

/// A server that answers nobody for so long is given up.
const PATIENCE_NS: u64 = 5_000_000_000;
/// One that runs under Valgrind has longer.
const PATIENCE_COUNTED_NS: u64 = 60_000_000_000;
/// The most that is received at a time, the same of every server.
const PIECE_BYTES: usize = 16384;
const RECV: u64 = 0;
const SEND: u64 = 1;

/// What is said on the connections, which have numbers from 0.
trait Talk {
    /// What has to be said on a new connection before anything is measured.
    fn meet(&mut self, _stream: &OwnedFd) -> io::Result<()> {
        Ok(())
    }

    /// Sends so many requests on a connection.
    fn ask(&mut self, ring: &mut Ring, slot: u32, requests: usize, now: Instant) -> io::Result<()>;

    /// Looks at bytes that came back; gives how many answers are whole with them, and notes how
    /// long each took.
    fn hear(&mut self, slot: u32, came: &[u8], taken: &mut Taken) -> io::Result<usize>;
}

/// How long answers take.
struct Taken {
    now: Instant,
    latency: Histogram<u64>,
}

impl Taken {
    fn note(&mut self, asked_at: Instant) {
        self.latency.saturating_record((self.now - asked_at).as_nanos() as u64);
    }
}

/// Connects, warms the server up, says so, and asks as soon as it hears a line. What is received at
/// a time is at most so many `bytes`, and 16 KiB. A connection that is there already is the
/// `first`.
fn run(job: &Job, bytes: usize, first: Option<OwnedFd>, talk: impl Talk) -> io::Result<Sample> {
    let mut load = Load::connect(job, bytes, first, talk)?;
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
struct Load<T> {
    ring: Ring,
    pool: Pool,
    connections: Vec<OwnedFd>,
    talk: T,
    /// Requests that a connection has outstanding.
    depth: usize,
    starved: Vec<u32>,
    outstanding: usize,
    requests: u64,
    taken: Taken,
    patience_ns: u64,
}

impl<T: Talk> Load<T> {
    /// # Errors
    /// Those of connect(2); a ring is refused.
    fn connect(job: &Job, bytes: usize, mut first: Option<OwnedFd>, talk: T) -> io::Result<Self> {
        sys::raise_descriptor_limit()?;
        let mut ring = Ring::builder().entries(256).cq_entries(8192).build()?;
        ring.register_files_sparse(job.tasks)?;
        let buffers = (2 * job.tasks).next_power_of_two().clamp(64, 16384);
        let pool = Pool::register(&mut ring, buffers as u16, bytes.min(PIECE_BYTES))?;
        let latency =
            Histogram::new_with_bounds(1, PATIENCE_COUNTED_NS, 3).map_err(io::Error::other)?;
        let mut load = Self {
            ring,
            pool,
            connections: Vec::with_capacity(job.tasks as usize),
            talk,
            depth: job.depth.max(1) as usize,
            starved: Vec::new(),
            outstanding: 0,
            requests: 0,
            taken: Taken { now: Instant::now(), latency },
            patience_ns: job.ops.map_or(PATIENCE_NS, |_| PATIENCE_COUNTED_NS),
        };
        for slot in 0..job.tasks {
            let stream = first.take().map_or_else(|| connect(job), Ok)?;
            load.talk.meet(&stream)?;
            load.ring.update_files(slot, &[stream.as_raw_fd()])?;
            load.connections.push(stream);
            load.receive(slot)?;
        }
        Ok(load)
    }

    /// Asks on all connections, again and again, for so long or until so many requests have been
    /// answered; then waits for the last answers.
    ///
    /// # Errors
    /// The ring fails, a connection ends, an answer is wrong or does not come.
    fn run(&mut self, window: Duration, requests: u64) -> io::Result<Sample> {
        self.requests = 0;
        self.taken.latency.reset();
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
            self.taken.now = now;
            let more = now - start < window && self.requests < requests;
            for cqe in batch.drain(..) {
                self.completed(&cqe, more)?;
            }
            self.pool.publish();
            for slot in std::mem::take(&mut self.starved) {
                self.receive(slot)?;
            }
        }
        let latency = &self.taken.latency;
        Ok(Sample {
            ops: self.requests,
            wall_ns: start.elapsed().as_nanos() as u64,
            latency: Some(Latency {
                p50_ns: latency.value_at_quantile(0.5),
                p99_ns: latency.value_at_quantile(0.99),
                p999_ns: latency.value_at_quantile(0.999),
            }),
            ..Sample::default()
        })
    }

    fn completed(&mut self, cqe: &Cqe, more: bool) -> io::Result<()> {
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
                let whole = self.hear(slot, cqe, bytes as usize)?;
                if more && whole > 0 {
                    self.ask(slot, whole, self.taken.now)?;
                }
            }
        }
        if !cqe.more() {
            self.receive(slot)?;
        }
        Ok(())
    }

    fn hear(&mut self, slot: u32, cqe: &Cqe, bytes: usize) -> io::Result<usize> {
        let bid = cqe.buffer_id().ok_or_else(|| wrong("bytes came without a buffer"))?;
        // SAFETY: the completion named the buffer, which is given back below.
        let came = unsafe { self.pool.bytes(bid, bytes) };
        let heard = self.talk.hear(slot, came, &mut self.taken);
        self.pool.give(bid);
        let whole = heard?;
        self.outstanding -= whole;
        self.requests += whole as u64;
        Ok(whole)
    }

    fn ask(&mut self, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        self.outstanding += requests;
        self.talk.ask(&mut self.ring, slot, requests, now)
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

/// Sends all of these bytes on a connection; that it succeeded posts nothing.
///
/// # Safety
/// * The bytes are never freed, and not written to before an answer to them has come.
unsafe fn send(ring: &mut Ring, slot: u32, addr: *const u8, bytes: usize) -> io::Result<()> {
    let send = Send {
        target: Target::Fixed(slot),
        addr,
        len: bytes as u32,
        flags: libc::MSG_WAITALL | libc::MSG_NOSIGNAL,
        ioprio: RecvSendFlags::EMPTY,
    };
    let user_data = SEND << 32 | u64::from(slot);
    // SAFETY: the caller's promise.
    unsafe { super::push(ring, &send, user_data, SqeFlags::CQE_SKIP_SUCCESS) }
}
