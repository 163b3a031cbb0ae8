//! How a core is made: ring, fixed-file table, buffers, bell.
//!
//! Owns: the defaults and what happens when the system grants less than asked: everything but the
//! ring itself is optional and shrinks under a low memlock limit.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annulus_ring::Kernel as _;
use annulus_ring::abi::{Features, Opcode};
use annulus_ring::{AnyKernel, BusyPoll, Mask, RegisterError, Ring};
use annulus_task::{Executor, OnPanic};

use super::again::Again;
use super::arena::Arenas;
use super::bell::Bell;
use super::cached::Cached;
use super::clock::Clock;
use super::devices::Devices;
use super::doubts::Doubts;
use super::locals::Locals;
use super::messages::Messages;
use super::metrics::Board;
use super::pool::{Pool, Refused, Shape};
use super::pools::Pools;
use super::record::Records;
use super::rests::Rests;
use super::samples::Samples;
use super::stall;
use super::stop::Stop;
use super::table::Table;
use super::unasked::Unasked;
use super::waiters::Waiters;
use super::waiting::{Spin, Tick};
use super::wheel::Wheel;
use super::workers::{Shape as Threads, Workers};
use super::{Core, State, process};
use crate::runtime::{DevicePolling, Error, default_kernel};

/// Makes the kernel of a ring.
#[derive(Clone)]
pub(crate) struct KernelMaker(pub(crate) Arc<dyn Fn() -> AnyKernel + Send + Sync>);

impl fmt::Debug for KernelMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KernelMaker")
    }
}

/// Everything that `Runtime::builder` can set.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) entries: u32,
    pub(crate) cq_entries: Option<u32>,
    pub(crate) fixed_files: u32,
    pub(crate) buffer_bytes: Option<u32>,
    pub(crate) buffer_count: Option<u16>,
    pub(crate) buffers_published: Option<u16>,
    pub(crate) buffers_incremental: bool,
    /// Bytes and number of the buffers of each further group.
    pub(crate) receive_pools: Vec<(u32, u16)>,
    pub(crate) budget: u32,
    pub(crate) reads_cached: bool,
    pub(crate) spin_ns: u64,
    pub(crate) keep_tick: bool,
    pub(crate) timer_slack_ns: u64,
    pub(crate) iowait: bool,
    pub(crate) start_paused: bool,
    pub(crate) stall: stall::Config,
    pub(crate) sqpoll_idle: Option<Duration>,
    pub(crate) sqpoll_cpu: Option<u32>,
    pub(crate) on_panic: OnPanic,
    pub(crate) close_flush_ns: u64,
    pub(crate) send_high_bytes: usize,
    pub(crate) zero_copy_from: u32,
    pub(crate) busy_poll: Option<BusyPoll>,
    pub(crate) device_polling: Option<DevicePolling>,
    pub(crate) shutdown_ns: u64,
    pub(crate) mask: Mask,
    /// The default of the process if nothing else is said.
    pub(crate) kernel: Option<KernelMaker>,
    pub(crate) threads: Threads,
    /// The threads of a launch, which its cores share; else each core has its own.
    pub(crate) workers: Option<Arc<Workers>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            entries: 256,
            cq_entries: None,
            fixed_files: 16384,
            buffer_bytes: None,
            buffer_count: None,
            buffers_published: None,
            buffers_incremental: true,
            receive_pools: Vec::new(),
            budget: 256,
            reads_cached: true,
            spin_ns: 0,
            keep_tick: true,
            timer_slack_ns: 0,
            iowait: false,
            start_paused: false,
            stall: stall::Config::default(),
            sqpoll_idle: None,
            sqpoll_cpu: None,
            on_panic: OnPanic::Contain,
            close_flush_ns: 5_000_000_000,
            send_high_bytes: 256 * 1024,
            zero_copy_from: u32::MAX,
            busy_poll: None,
            device_polling: None,
            shutdown_ns: 5_000_000_000,
            mask: Mask::none(),
            kernel: None,
            threads: Threads::default(),
            workers: None,
        }
    }
}

impl Core {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let executor = Executor::new(config.on_panic)?;
        process::note_core(executor.id())?;
        let blocking = config.workers.clone().unwrap_or_else(|| Workers::new(config.threads));
        let mut ring = build_ring(config)?;
        let fixed_free = register_files(&mut ring, config.fixed_files);
        let board = Board::new(executor.id(), executor.tally(), blocking.clone());
        let pools = build_pools(&mut ring, config, &board)?;
        let devices = Devices::new(build_polling_ring(config)?);
        // Nothing can fail behind it: what a bell has is given back by the end of a core.
        let bell = Bell::new(&mut ring)?;
        let now_ns = ring.kernel().now();
        let mut state = State {
            tick: Tick::new(config.keep_tick && ring.capabilities().supports(Opcode::TIMEOUT)),
            run_queue: executor.run_queue(),
            ring,
            table: Table::new(),
            records: Records::new(),
            waiters: Waiters::new(),
            clock: Clock::default(),
            wheel: Wheel::new(now_ns),
            timer_slack_ns: config.timer_slack_ns,
            pools,
            fixed_free,
            arenas: Arenas::default(),
            devices,
            after: Vec::new(),
            counters: board,
            samples: Samples::new(now_ns),
            starved: VecDeque::new(),
            doubts: Doubts::default(),
            messages: messages(config),
            dirty: Vec::new(),
            spare_chunks: Vec::new(),
            spare_large: Vec::new(),
            has_chores: false,
            unsent: VecDeque::new(),
            has_unsent_chain: false,
            bell,
            bell_armed: false,
            rests: Rests::default(),
            spin: Spin::default(),
            cancels: 0,
            again: Again::default(),
            unasked: Unasked::new(),
            closes: 0,
            stopping: false,
            // Who pays a kernel thread to take requests wants no calls.
            reads_cached: config.reads_cached && config.sqpoll_idle.is_none(),
            stop: Stop::new(),
            cached: Cached::default(),
            close_flush_ns: config.close_flush_ns,
            send_high_bytes: config.send_high_bytes,
            zero_copy_from: config.zero_copy_from,
        };
        state.note_beginning(config);
        executor.set_bell(state.bell.to_ring(executor.id()));
        Ok(Self {
            id: executor.id(),
            executor,
            state: RefCell::new(state),
            budget: config.budget,
            spin_ns: config.spin_ns,
            on_panic: config.on_panic,
            stall: stall::Watch::new(&config.stall),
            locals: Locals::default(),
            blocking,
        })
    }
}

impl State {
    /// What the numbers begin with, and the clock.
    fn note_beginning(&mut self, config: &Config) {
        self.counters.sq_start.set(self.ring.sq_tail());
        self.counters.life.real_clock.set(u64::from(config.kernel.is_none()));
        self.counters.fixed_files_free.set(self.fixed_free.len() as u64);
        if config.start_paused {
            self.pause_clock();
        }
    }
}

fn build_ring(config: &Config) -> Result<Ring, Error> {
    let mut builder =
        Ring::builder().entries(config.entries).mask(config.mask).no_iowait(!config.iowait);
    if let Some(KernelMaker(make)) = config.kernel.as_ref().or_else(default_kernel::chosen) {
        builder = builder.kernel(make());
    }
    if let Some(entries) = config.cq_entries {
        builder = builder.cq_entries(entries);
    }
    if let Some(idle) = config.sqpoll_idle {
        builder = builder.sqpoll(idle);
    }
    if let Some(cpu) = config.sqpoll_cpu {
        builder = builder.sqpoll_cpu(cpu);
    }
    let mut ring = builder.build()?;
    if let Some(how) = config.busy_poll {
        ring.register_napi(how).map_err(|error| busy_poll_refused(&error))?;
    }
    Ok(ring)
}

/// The ring beside the core's own whose completions are polled for, if one is wanted.
fn build_polling_ring(config: &Config) -> Result<Option<Ring>, Error> {
    let Some(how) = config.device_polling else { return Ok(None) };
    let mut builder = Ring::builder().entries(config.entries).mask(config.mask);
    if let Some(KernelMaker(make)) = config.kernel.as_ref().or_else(default_kernel::chosen) {
        builder = builder.kernel(make());
    }
    let builder = match how {
        DevicePolling::Busy => builder.iopoll(),
        DevicePolling::Hybrid => builder.hybrid_iopoll(),
    };
    Ok(Some(builder.build()?))
}

fn busy_poll_refused(error: &RegisterError) -> std::io::Error {
    let kind = std::io::Error::from(*error).kind();
    std::io::Error::new(
        kind,
        format!(
            "busy-polling of network cards was refused: {error}; it needs Linux 6.9, built with \
             CONFIG_NET_RX_BUSY_POLL: leave Builder::busy_poll out, or look with Builder::spin instead"
        ),
    )
}

/// A sparse table as large as asked or as allowed: it may not be larger than the descriptor limit.
///
/// None on kernels before about 6.14 (read off a feature of that age). There a file that is taken
/// out of the table is let go only after every *older* request on any fixed file has ended, so one
/// long-armed receive would keep all sockets that are closed after it from ending their
/// connections.
fn register_files(ring: &mut Ring, slots: u32) -> Vec<u32> {
    if !ring.capabilities().has(Features::RW_ATTR) {
        return Vec::new();
    }
    let mut slots = slots;
    while slots > 0 {
        if ring.register_files_sparse(slots).is_ok() {
            return (0..slots).rev().collect();
        }
        slots /= 2;
    }
    Vec::new()
}

/// The ids of groups that were asked for; below are the default one and that of messages.
const FURTHER_BGIDS: u16 = 2;

/// Where messages are received: one to a buffer.
fn messages(config: &Config) -> Messages {
    let count = config.buffer_count.unwrap_or(WHOLE.count);
    Messages::new(count, config.buffers_published.unwrap_or(WHOLE.published))
}

/// Buffers that many receives share: large ones, because where one ends it cuts what arrives in
/// two.
const SHARED: Shape =
    Shape { buffer_bytes: 64 * 1024, count: 256, published: 16, incremental: true };

/// Buffers of one receive each: as many bytes in all.
const WHOLE: Shape =
    Shape { buffer_bytes: 16 * 1024, count: 1024, published: 32, incremental: false };

/// The groups of provided buffers; none where the kernel has no such rings (before 5.19) or the
/// memlock limit leaves no room for one: receives then go through the heap.
fn build_pools(ring: &mut Ring, config: &Config, board: &Arc<Board>) -> Result<Pools, Error> {
    if !ring.capabilities().buf_rings() {
        return Ok(Pools::new(None, config.receive_pools.iter().map(|_| None).collect()));
    }
    let incremental = config.buffers_incremental && ring.capabilities().inc_buffers();
    let default = if incremental { SHARED } else { WHOLE };
    let shape = Shape {
        buffer_bytes: config.buffer_bytes.unwrap_or(default.buffer_bytes),
        count: config.buffer_count.unwrap_or(default.count),
        published: config.buffers_published.unwrap_or(default.published),
        incremental,
    };
    let first = build_pool(ring, (shape, 0), board)?;
    let mut others = Vec::new();
    for (bgid, &(buffer_bytes, count)) in (FURTHER_BGIDS..).zip(&config.receive_pools) {
        let shape = Shape { buffer_bytes, count, ..shape };
        others.push(build_pool(ring, (shape, bgid), board)?);
    }
    Ok(Pools::new(first, others))
}

/// One group, with fewer buffers than asked if there is no room for all.
fn build_pool(
    ring: &mut Ring,
    (asked, bgid): (Shape, u16),
    board: &Arc<Board>,
) -> Result<Option<Pool>, Error> {
    let mut count = asked.count.next_power_of_two().max(1);
    while count > 0 {
        match Pool::new(ring, board.clone(), Shape { count, ..asked }, bgid) {
            Ok(pool) => return Ok(Some(pool)),
            Err(Refused::Memory(error)) => return Err(error.into()),
            Err(Refused::Group) => count /= 2,
        }
    }
    Ok(None)
}
