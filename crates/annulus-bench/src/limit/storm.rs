//! The load that connects many times at once: all connections are made, ask once, and are closed,
//! each as soon as it can; then all of them again. A `crowd` stays: its connections are open until
//! all have been answered, and are closed, from both ends, before the next ones are made.
//!
//! ```text
//!   of each client:  connect ──> send ──> receive until it is whole ──> compare, close
//!   of a crowd:                                                         compare ┆ end, receive
//!                                                                      the end, close
//! ```
//!
//! Owns: the clients, on the bare ring. Invariant: what the kernel was lent is leaked.

use std::io::{self, BufRead as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use annulus_ring::abi::{Cqe, RecvSendFlags, SqeFlags};
use annulus_ring::op::{Connect, Recv, Send};
use annulus_ring::{Kernel as _, Ring, SocketAddress, Target};
use hdrhistogram::Histogram;

use crate::{Job, Sample, sys, wrong};

/// A server that answers nobody for so long is given up; it is longer than a lost SYN takes to be
/// sent again.
const PATIENCE_NS: u64 = 60_000_000_000;

const CONNECT: u64 = 0;
const SEND: u64 = 1;
const RECV: u64 = 2;
const END: u64 = 3;

/// As the load of an echo server: warms it up, says so, and goes on as soon as it hears a line. An
/// operation is as many connections as the job has tasks. The last crowd is there until the process
/// is ended.
///
/// # Errors
/// Those of sockets; another answer came, or none.
pub fn run(job: &Job) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    drop(super::load::connect(job)?);
    let mut storm = Storm::new(job)?;
    if job.ops.is_none() {
        storm.run(job.window / 10, u64::MAX)?;
    }
    println!("{{\"ready\":true}}");
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    let sample = match job.ops {
        Some(ops) => storm.run(Duration::MAX, ops),
        None => storm.run(job.window, u64::MAX),
    };
    // Whoever asked looks at the server after this, and ends this process then.
    std::mem::forget(storm);
    sample
}

struct Storm {
    ring: Ring,
    address: &'static SocketAddress,
    /// Of a request.
    bytes: usize,
    /// Whether connections stay until all have been answered.
    stays: bool,
    clients: Vec<Client>,
    /// Clients that are not done.
    busy: usize,
    requests: u64,
    batch: Vec<Cqe>,
}

struct Client {
    socket: Option<OwnedFd>,
    /// Leaked.
    request: *mut u8,
    /// Leaked.
    answer: *mut u8,
    came: usize,
}

impl Storm {
    fn new(job: &Job) -> io::Result<Self> {
        let bytes = job.bytes.max(8);
        let client = |_| Client {
            socket: None,
            request: vec![0x5a; bytes].leak().as_mut_ptr(),
            answer: vec![0; bytes].leak().as_mut_ptr(),
            came: 0,
        };
        Ok(Self {
            ring: Ring::builder().entries(1024).cq_entries(8192).build()?,
            address: Box::leak(Box::new(SocketAddress::from(job.address.tcp()?))),
            bytes,
            stays: job.workload == "crowd",
            clients: (0..job.tasks).map(client).collect(),
            busy: 0,
            requests: 0,
            batch: Vec::with_capacity(8192),
        })
    }

    fn run(&mut self, window: Duration, most: u64) -> io::Result<Sample> {
        let mut latency: Histogram<u64> =
            Histogram::new_with_bounds(1, PATIENCE_NS, 3).map_err(io::Error::other)?;
        let start = Instant::now();
        let (mut ops, mut before) = (0u64, start);
        while before - start < window && ops < most {
            self.all_at_once()?;
            ops += 1;
            let now = Instant::now();
            latency.saturating_record((now - before).as_nanos() as u64);
            before = now;
        }
        Ok(super::connect::sample(ops, start, &latency))
    }

    fn all_at_once(&mut self) -> io::Result<()> {
        self.end_all()?;
        for slot in 0..self.clients.len() as u32 {
            self.connect(slot)?;
        }
        self.busy = self.clients.len();
        self.until_all_are_done()
    }

    /// Ends those that have stayed, and waits for the server's end of each: it has none of them
    /// open when the next ones come.
    fn end_all(&mut self) -> io::Result<()> {
        for slot in 0..self.clients.len() as u32 {
            let Some(socket) = &self.clients[slot as usize].socket else { continue };
            self.ring.kernel().shutdown(socket.as_raw_fd(), libc::SHUT_WR)?;
            self.receive_end(slot)?;
            self.busy += 1;
        }
        self.until_all_are_done()
    }

    fn until_all_are_done(&mut self) -> io::Result<()> {
        while self.busy > 0 {
            super::wait(&mut self.ring, Some(PATIENCE_NS))?;
            let mut batch = std::mem::take(&mut self.batch);
            if self.ring.reap_into(&mut batch) == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"));
            }
            for cqe in batch.drain(..) {
                self.completed(&cqe)?;
            }
            self.batch = batch;
        }
        Ok(())
    }

    fn connect(&mut self, slot: u32) -> io::Result<()> {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        let fd = self.ring.kernel().socket(libc::AF_INET, kind, 0)?;
        // SAFETY: a new descriptor that nothing else owns.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let client = &mut self.clients[slot as usize];
        client.socket = Some(socket);
        client.came = 0;
        let mark = self.requests.to_ne_bytes();
        self.requests += 1;
        // SAFETY: leaked memory of at least eight bytes, whose last send has been answered.
        unsafe { client.request.cast::<[u8; 8]>().write_unaligned(mark) };
        let connect = Connect {
            target: Target::Fd(fd),
            addr: self.address.as_ptr(),
            addr_len: self.address.len(),
        };
        // SAFETY: the address is leaked.
        unsafe { self.push(&connect, CONNECT, slot) }
    }

    fn completed(&mut self, cqe: &Cqe) -> io::Result<()> {
        let slot = cqe.user_data as u32;
        let result = cqe.result()?;
        match cqe.user_data >> 32 {
            CONNECT => {
                self.send(slot)?;
                self.receive(slot)
            }
            SEND if result as usize == self.bytes => Ok(()),
            SEND => Err(io::Error::new(io::ErrorKind::WriteZero, "a short send")),
            END if result == 0 => {
                self.is_done(slot);
                Ok(())
            }
            END => Err(wrong("more came back than was sent")),
            _ if result == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => self.received(slot, result as usize),
        }
    }

    fn received(&mut self, slot: u32, bytes: usize) -> io::Result<()> {
        let client = &mut self.clients[slot as usize];
        client.came += bytes;
        if client.came < self.bytes {
            return self.receive(slot);
        }
        // SAFETY: leaked memory of so many bytes, which no receive writes to any more.
        let answer = unsafe { std::slice::from_raw_parts(client.answer, self.bytes) };
        // SAFETY: leaked memory of so many bytes.
        let request = unsafe { std::slice::from_raw_parts(client.request, self.bytes) };
        if answer != request {
            return Err(wrong("other bytes came back"));
        }
        match self.stays {
            true => self.busy -= 1,
            false => self.is_done(slot),
        }
        Ok(())
    }

    /// The client closes first, or has ended first: the server's side must not be left in
    /// TIME_WAIT.
    fn is_done(&mut self, slot: u32) {
        self.clients[slot as usize].socket = None;
        self.busy -= 1;
    }

    fn target(&self, slot: u32) -> Target {
        let socket = self.clients[slot as usize].socket.as_ref();
        Target::Fd(socket.map_or(-1, AsRawFd::as_raw_fd))
    }

    fn send(&mut self, slot: u32) -> io::Result<()> {
        let send = Send {
            target: self.target(slot),
            addr: self.clients[slot as usize].request,
            len: self.bytes as u32,
            flags: libc::MSG_WAITALL | libc::MSG_NOSIGNAL,
            ioprio: RecvSendFlags::EMPTY,
        };
        // SAFETY: leaked memory, not written again before the answer has come.
        unsafe { self.push(&send, SEND, slot) }
    }

    /// Waits for the server's end of a connection whose own end was said.
    fn receive_end(&mut self, slot: u32) -> io::Result<()> {
        let recv = Recv {
            target: self.target(slot),
            addr: self.clients[slot as usize].answer,
            len: self.bytes as u32,
            flags: 0,
            ioprio: RecvSendFlags::EMPTY,
        };
        // SAFETY: leaked memory, whose answer was compared.
        unsafe { self.push(&recv, END, slot) }
    }

    fn receive(&mut self, slot: u32) -> io::Result<()> {
        let client = &self.clients[slot as usize];
        let recv = Recv {
            target: self.target(slot),
            addr: client.answer.wrapping_add(client.came),
            len: (self.bytes - client.came) as u32,
            flags: 0,
            ioprio: RecvSendFlags::EMPTY,
        };
        // SAFETY: leaked memory, not read before the receive has completed.
        unsafe { self.push(&recv, RECV, slot) }
    }

    /// # Safety
    /// * As for [`Ring::vacant`].
    unsafe fn push<O: annulus_ring::Op>(&mut self, op: &O, kind: u64, slot: u32) -> io::Result<()> {
        let user_data = kind << 32 | u64::from(slot);
        // SAFETY: the caller's promise is passed on.
        unsafe { super::push(&mut self.ring, op, user_data, SqeFlags::EMPTY) }
    }
}
