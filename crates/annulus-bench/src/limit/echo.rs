//! An echo server on the bare ring, over TCP and over Unix sockets.
//!
//! ```text
//!   accept (multishot, direct) ──> receive (multishot, provided buffers)
//!                                     │ data in buffer b
//!                                     v
//!                          queue of the connection ──> send from b (one in flight, MSG_WAITALL)
//!                                                         │ sent: b goes back to the kernel
//! ```
//!
//! One thread, one enter for each batch. Direct descriptors all through; `TCP_NODELAY` is inherited
//! from the listener.
//!
//! | a connection | ends when |
//! |---|---|
//! | whose peer has ended | its queue is sent |
//! | that failed | its send in flight has completed; its queue is given back |

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use annulus_ring::abi::{AcceptFlags, Cqe, Errno, RecvSendFlags, SqeFlags, TimeoutFlags, Timespec};
use annulus_ring::op::{AcceptMulti, CloseFixed, Place, RecvMulti, Send, Timeout};
use annulus_ring::{Op, Ring, Target};

use crate::{Job, Sample};

use super::pool::{BGID, Pool};

/// How the loop waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// Look at the completion queue so long before sleeping.
    pub spin: Duration,
    /// Keep a timer of a millisecond running, so that the CPU's tick goes on.
    pub tick: bool,
}

/// Echoes until the process ends.
///
/// # Errors
/// A ring is refused, or fails.
pub fn run(job: &Job) -> io::Result<Sample> {
    crate::serve(|listener| Server::new(listener.as_raw_fd(), job)?.run())
}

/// The same over Unix sockets.
///
/// # Errors
/// As there.
pub fn run_unix(job: &Job) -> io::Result<Sample> {
    crate::serve_unix(job, |listener| Server::new(listener.as_raw_fd(), job)?.run())
}

impl Waiting {
    /// The variants are `tick` and `spin`; without one it sleeps at once.
    ///
    /// # Errors
    /// There is no such variant.
    pub fn of(variant: &str) -> io::Result<Self> {
        Ok(match variant {
            "" => Self::default(),
            "tick" => Self { tick: true, ..Self::default() },
            "spin" => Self { spin: Duration::from_micros(50), ..Self::default() },
            _ => return crate::no_variant(variant),
        })
    }
}

const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;
const CLOSE: u64 = 3;
const TICK: u64 = 4;

/// The timer's period lives as long as the program, as its request might.
static MILLISECOND: Timespec = Timespec { sec: 0, nsec: 1_000_000 };

fn user_data(kind: u64, slot: u32) -> u64 {
    kind << 32 | u64::from(slot)
}

struct Server {
    ring: Ring,
    listener: RawFd,
    pool: Pool,
    /// By direct descriptor.
    connections: Vec<Connection>,
    /// Connections whose receive ended for want of a buffer.
    starved: Vec<u32>,
    batch: Vec<Cqe>,
    waiting: Waiting,
}

#[derive(Default)]
struct Connection {
    /// Buffers to be sent, the first of them perhaps in flight, with their bytes.
    queue: VecDeque<(u16, u32)>,
    sending: bool,
    receiving: bool,
    failed: bool,
}

impl Server {
    fn new(listener: RawFd, job: &Job) -> io::Result<Self> {
        let connections = job.tasks;
        let waiting = Waiting::of(&job.variant)?;
        let mut ring = super::builder().entries(256).cq_entries(8192).build()?;
        // Those that come may be there before those that go are gone.
        let slots = 2 * connections + 64;
        ring.register_files_sparse(slots)?;
        let buffers = (2 * connections).next_power_of_two().clamp(64, 16384);
        let pool = Pool::register(&mut ring, buffers as u16, job.bytes * job.depth as usize)?;
        let mut server = Self {
            ring,
            listener,
            pool,
            connections: (0..slots).map(|_| Connection::default()).collect(),
            starved: Vec::new(),
            batch: Vec::with_capacity(8192),
            waiting,
        };
        server.accept()?;
        if waiting.tick {
            server.start_ticking()?;
        }
        Ok(server)
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            self.turn()?;
        }
    }

    /// Submits, waits, and works off what has completed.
    fn turn(&mut self) -> io::Result<()> {
        if self.waiting.spin.is_zero() || !self.spin()? {
            super::wait(&mut self.ring, None)?;
        }
        let mut batch = std::mem::take(&mut self.batch);
        self.ring.reap_into(&mut batch);
        for cqe in batch.drain(..) {
            self.completed(&cqe)?;
        }
        self.batch = batch;
        self.pool.publish();
        // Only now, with the buffers back: data that finds none would wait for a next arrival.
        for slot in std::mem::take(&mut self.starved) {
            self.receive(slot)?;
        }
        Ok(())
    }

    /// Looks for completions without sleeping; whether there are some.
    fn spin(&mut self) -> io::Result<bool> {
        self.submit()?;
        let start = Instant::now();
        while start.elapsed() < self.waiting.spin {
            for _ in 0..64 {
                if self.ring.task_work_pending() {
                    self.submit()?;
                }
                if self.ring.cq_ready() > 0 {
                    return Ok(true);
                }
                std::hint::spin_loop();
            }
        }
        Ok(false)
    }

    fn submit(&mut self) -> io::Result<()> {
        match self.ring.submit() {
            Ok(_) | Err(Errno(libc::EINTR | libc::EBUSY)) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn completed(&mut self, cqe: &Cqe) -> io::Result<()> {
        let slot = cqe.user_data as u32;
        match cqe.user_data >> 32 {
            ACCEPT => self.accepted(cqe),
            RECV => self.received(slot, cqe),
            SEND => self.sent(slot, cqe),
            TICK if !cqe.more() => self.start_ticking(),
            _ => Ok(()),
        }
    }

    fn accepted(&mut self, cqe: &Cqe) -> io::Result<()> {
        let accepted = cqe.result();
        if !cqe.more() {
            self.accept()?;
        }
        match accepted {
            Ok(slot) => {
                self.connections[slot as usize] = Connection::default();
                self.receive(slot)
            }
            Err(Errno(libc::ECONNABORTED)) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn received(&mut self, slot: u32, cqe: &Cqe) -> io::Result<()> {
        let connection = &mut self.connections[slot as usize];
        connection.receiving &= cqe.more();
        if let Some(bid) = cqe.buffer_id() {
            if cqe.res > 0 && !connection.failed {
                connection.queue.push_back((bid, cqe.res as u32));
            } else {
                self.pool.give(bid);
            }
        }
        let connection = &mut self.connections[slot as usize];
        match cqe.result() {
            Ok(0) => connection.receiving = false,
            Ok(_) if !connection.receiving && !connection.failed => self.receive(slot)?,
            Ok(_) => {}
            Err(Errno(libc::ENOBUFS)) => {
                connection.receiving = true;
                self.starved.push(slot);
            }
            Err(_) => connection.failed = true,
        }
        self.go_on(slot)
    }

    fn sent(&mut self, slot: u32, cqe: &Cqe) -> io::Result<()> {
        let connection = &mut self.connections[slot as usize];
        connection.sending = false;
        if let Some((bid, bytes)) = connection.queue.pop_front() {
            self.pool.give(bid);
            connection.failed |= cqe.result() != Ok(bytes);
        }
        self.go_on(slot)
    }

    /// Sends what is next; closes what has nothing left to do.
    fn go_on(&mut self, slot: u32) -> io::Result<()> {
        let connection = &mut self.connections[slot as usize];
        if connection.sending {
            return Ok(());
        }
        if connection.failed {
            let queue = std::mem::take(&mut connection.queue);
            queue.into_iter().for_each(|(bid, _)| self.pool.give(bid));
        } else if let Some(&(bid, len)) = connection.queue.front() {
            connection.sending = true;
            let send = Send {
                target: Target::Fixed(slot),
                addr: self.pool.address(bid),
                len,
                flags: libc::MSG_WAITALL | libc::MSG_NOSIGNAL,
                ioprio: RecvSendFlags::EMPTY,
            };
            // SAFETY: a buffer that a receive filled and that is given back when the send
            // completes.
            return unsafe { self.push(&send, user_data(SEND, slot)) };
        }
        if connection.receiving {
            return Ok(());
        }
        // SAFETY: a close points to nothing.
        unsafe { self.push(&CloseFixed { slot }, user_data(CLOSE, slot)) }
    }

    fn accept(&mut self) -> io::Result<()> {
        let accept = AcceptMulti {
            target: Target::Fd(self.listener),
            flags: 0,
            ioprio: AcceptFlags::EMPTY,
            place: Place::FixedAny,
        };
        // SAFETY: it points to nothing.
        unsafe { self.push(&accept, user_data(ACCEPT, 0)) }
    }

    fn receive(&mut self, slot: u32) -> io::Result<()> {
        self.connections[slot as usize].receiving = true;
        let recv = RecvMulti {
            target: Target::Fixed(slot),
            bgid: BGID,
            ioprio: RecvSendFlags::EMPTY,
            cap_bytes: 0,
        };
        // SAFETY: it writes to the pool's buffers, which are never freed.
        unsafe { self.push(&recv, user_data(RECV, slot)) }
    }

    fn start_ticking(&mut self) -> io::Result<()> {
        let timeout =
            Timeout { spec: &raw const MILLISECOND, count: 0, flags: TimeoutFlags::MULTISHOT };
        // SAFETY: the period is static.
        unsafe { self.push(&timeout, user_data(TICK, 0)) }
    }

    /// # Safety
    /// * As for [`Ring::vacant`].
    unsafe fn push<O: Op>(&mut self, op: &O, user_data: u64) -> io::Result<()> {
        // SAFETY: the caller's promise is passed on.
        unsafe { super::push(&mut self.ring, op, user_data, SqeFlags::EMPTY) }
    }
}
