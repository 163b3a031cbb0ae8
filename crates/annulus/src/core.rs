//! One core: one thread, one ring, one executor, and the tables between them.
//!
//! Owns: what a core is made of ([`Core`], [`State`]) and which core is current on a thread. Does
//! not own: what users see (`net`, `fs`, `time`, `runtime` are made of this).
//!
//! "The current core" is a thread-local that is set for the length of a turn. It is not a thread's
//! identity: several cores may take turns on one thread.
//!
//! Invariant: `state` is borrowed for short stretches in which no user code runs, so a future, a
//! waker or a destructor of a user may call anything of this crate. Excepted are the methods by
//! which a buffer says where it is, and the `encode` of an operation that `submit` was given: their
//! contracts forbid them to call in or to panic.

#![allow(unsafe_code, reason = "this is where kernel-borrowed memory is kept safe")]

mod after;
pub(crate) mod again;
pub(crate) mod arena;
pub(crate) mod bell;
pub(crate) mod block_op;
pub(crate) mod blocks;
pub(crate) mod cached;
pub(crate) mod cached_read;
pub(crate) mod chain;
pub(crate) mod chunk;
pub(crate) mod clock;
pub(crate) mod close;
pub(crate) mod cursor_op;
pub(crate) mod datagrams;
pub(crate) mod devices;
pub(crate) mod direct_op;
mod doubts;
pub(crate) mod driver;
pub(crate) mod dump;
pub(crate) mod end;
pub(crate) mod errors;
pub(crate) mod file_call;
pub(crate) mod file_op;
mod futex_hash;
pub(crate) mod futex_op;
pub(crate) mod fxattr_op;
pub(crate) mod inherited;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod locals;
pub(crate) mod memory_op;
pub(crate) mod message;
pub(crate) mod message_batch;
pub(crate) mod message_op;
pub(crate) mod message_send;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod name_op;
pub(crate) mod now;
pub(crate) mod once_op;
pub(crate) mod op;
mod owned;
pub(crate) mod path_op;
pub(crate) mod path_xattr_op;
pub(crate) mod pool;
pub(crate) mod pools;
mod pre_exec;
pub(crate) mod privileges;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod recv_op;
pub(crate) mod replace_op;
mod rests;
pub(crate) mod samples;
pub(crate) mod scatter;
pub(crate) mod send_op;
mod send_queue;
pub(crate) mod setup;
pub(crate) mod shared_words;
pub(crate) mod shutdown;
pub(crate) mod signals;
pub(crate) mod slot;
pub(crate) mod socket_op;
pub(crate) mod splice_op;
pub(crate) mod stall;
pub(crate) mod standard;
pub(crate) mod steering;
pub(crate) mod stock;
pub(crate) mod stop;
pub(crate) mod stream;
pub(crate) mod submit;
pub(crate) mod table;
pub(crate) mod timers;
pub(crate) mod turn;
mod unasked;
mod unread;
pub(crate) mod vectored_op;
pub(crate) mod waiters;
pub(crate) mod waiting;
pub(crate) mod watch;
pub(crate) mod wheel;
pub(crate) mod workers;

pub(crate) mod zero_copy;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

use annulus_ring::abi::Sqe;
use annulus_ring::{Kernel as _, Ring};
use annulus_task::{CoreId, Executor, OnPanic, RunQueue};

use after::After;
use again::Again;
use arena::Arenas;
use bell::Bell;
use cached::Cached;
use clock::Clock;
use devices::Devices;
use doubts::Doubts;
use key::Key;
use locals::Locals;
use messages::Messages;
use metrics::Board;
use pools::Pools;
use record::{Kind, Records};
use rests::Rests;
use samples::Samples;
use stop::Stop;
use table::Table;
use timers::Due;
use unasked::Unasked;
use waiters::Waiters;
use waiting::{Spin, Tick};
use wheel::Wheel;
use workers::Workers;
use zero_copy::Gear;

pub(crate) use owned::Owned;

thread_local! {
    static CURRENT: Current = const { Current::none() };
}

/// Which core is current on a thread. Its name lies beside it, so that asking for a core by its
/// name is one compare.
struct Current {
    /// Of `core`; 0, which no core is called, if there is none.
    id: Cell<u64>,
    core: Cell<*const Core>,
}

impl Current {
    const fn none() -> Self {
        Self { id: Cell::new(0), core: Cell::new(std::ptr::null()) }
    }

    /// Makes `core` the current one; gives what was.
    fn replace(&self, core: *const Core, id: u64) -> (*const Core, u64) {
        (self.core.replace(core), self.id.replace(id))
    }
}

/// One core.
pub(crate) struct Core {
    id: CoreId,
    pub(crate) executor: Executor,
    pub(crate) state: RefCell<State>,
    /// Tasks polled in one turn at most.
    pub(crate) budget: u32,
    /// How long to look for completions before sleeping.
    pub(crate) spin_ns: u64,
    /// What a panic of user code does for which no task answers.
    on_panic: OnPanic,
    /// Looks for what keeps the core from its I/O, if that is wanted.
    pub(crate) stall: Option<stall::Watch>,
    pub(crate) locals: Locals,
    /// Threads for what would block the core.
    pub(crate) blocking: Arc<Workers>,
}

/// Everything that the driver works on.
pub(crate) struct State {
    run_queue: RunQueue,
    pub(crate) ring: Ring,
    pub(crate) table: Table,
    pub(crate) records: Records,
    pub(crate) waiters: Waiters,
    pub(crate) clock: Clock,
    pub(crate) wheel: Wheel<Due>,
    /// How much longer than until its next timer the core may sleep.
    timer_slack_ns: u64,
    pub(crate) pools: Pools,
    pub(crate) fixed_free: Vec<u32>,
    /// Which places of the ring's table of registered buffers are taken.
    pub(crate) arenas: Arenas,
    /// The ring of requests whose device is polled.
    pub(crate) devices: Devices,
    pub(crate) after: Vec<After>,
    /// The next turn may have more to do than to run tasks and to go to the ring: set by whatever
    /// it is, and again by each turn that has left some of it.
    pub(crate) has_chores: bool,
    /// What any thread may read.
    pub(crate) counters: Arc<Board>,
    /// When rounds were.
    pub(crate) samples: Samples,
    /// Streams that wait for a buffer.
    pub(crate) starved: VecDeque<Key>,
    /// Streams whose end the kernel may have lost.
    pub(crate) doubts: Doubts,
    /// Where messages are received, and who waits for a buffer there.
    pub(crate) messages: Messages,
    /// Streams with a chunk that is not with the kernel yet.
    pub(crate) dirty: Vec<Key>,
    /// Vectors for the next chunks.
    pub(crate) spare_chunks: Vec<Vec<u8>>,
    /// The same for large ones; these are not empty.
    pub(crate) spare_large: Vec<Vec<u8>>,
    /// SQEs that found no room.
    pub(crate) unsent: VecDeque<Sqe>,
    /// The kernel may not have consumed all of a chain.
    pub(crate) has_unsent_chain: bool,
    pub(crate) bell: Bell,
    pub(crate) bell_armed: bool,
    /// What the kernel refused lately.
    rests: Rests,
    pub(crate) tick: Tick,
    pub(crate) spin: Spin,
    pub(crate) cancels: u32,
    /// Requests that are to be cancelled once more.
    pub(crate) again: Again,
    pub(crate) unasked: Unasked,
    pub(crate) closes: u32,
    pub(crate) stopping: bool,
    /// Reads of files ask the page cache before the ring.
    pub(crate) reads_cached: bool,
    pub(crate) stop: Stop,
    /// What of files was in the page cache a moment ago.
    pub(crate) cached: Cached,
    /// How long a dropped socket may take to send its queued bytes.
    pub(crate) close_flush_ns: u64,
    /// Bytes queued by `send_nowait` above which a socket takes no more.
    pub(crate) send_high_bytes: usize,
    /// From how many bytes on a send tries to go without copying.
    pub(crate) zero_copy_from: u32,
}

impl Core {
    #[inline]
    pub(crate) fn id(&self) -> CoreId {
        self.id
    }

    /// Whether it was made by a process that this one was forked from.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        process::is_inherited(self.id())
    }

    #[inline]
    pub(crate) fn assert_own(&self) {
        assert!(
            !self.is_inherited(),
            "a forked child cannot run the core of its parent: let it make its own, or call exec"
        );
    }

    /// Makes this core the current one of the thread until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered<'_> {
        let executor = self.executor.enter();
        let outer = CURRENT.with(|current| current.replace(self, self.id().to_bits()));
        Entered { outer, _executor: executor }
    }
}

/// While it lives, a core is current.
pub(crate) struct Entered<'a> {
    outer: (*const Core, u64),
    _executor: annulus_task::Entered<'a>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let (core, id) = self.outer;
        CURRENT.with(|current| current.replace(core, id));
    }
}

/// No core is current on this thread any more: it is the only one of a forked child.
fn leave_all() {
    CURRENT.with(|current| current.replace(std::ptr::null(), 0));
}

/// Which core is current.
#[inline]
pub(crate) fn current_id() -> Option<CoreId> {
    CoreId::from_bits(CURRENT.with(|current| current.id.get()))
}

/// Runs `f` on the current core.
#[inline]
pub(crate) fn with_any<R>(f: impl FnOnce(&Core) -> R) -> io::Result<R> {
    let core = CURRENT.with(|current| current.core.get());
    if core.is_null() {
        return Err(errors::no_runtime());
    }
    // SAFETY: `enter` set the pointer from a reference that its guard keeps borrowed, and the guard
    // restores the pointer before the borrow ends.
    Ok(f(unsafe { &*core }))
}

/// Runs `f` on the core `id`, which must be the current one.
#[inline]
pub(crate) fn with_core<R>(id: CoreId, f: impl FnOnce(&Core) -> R) -> io::Result<R> {
    try_core(id, f).ok_or_else(|| elsewhere(id))
}

/// Runs `f` on the core `id`, if it is the current one.
#[inline(always)]
pub(crate) fn try_core<R>(id: CoreId, f: impl FnOnce(&Core) -> R) -> Option<R> {
    let core =
        CURRENT.with(|current| (current.id.get() == id.to_bits()).then(|| current.core.get()));
    // SAFETY: as in `with_any`; a name that is not 0 was set together with the pointer.
    core.map(|core| f(unsafe { &*core }))
}

/// Why the core `id` cannot be reached from here.
#[cold]
fn elsewhere(id: CoreId) -> io::Error {
    match current_id() {
        Some(current) => errors::wrong_core(id, current),
        None => errors::no_runtime(),
    }
}

/// A descriptor that was taken out of its record, as `std` owns it.
pub(crate) fn adopted_fd(fd: RawFd) -> OwnedFd {
    // SAFETY: `State::detach` removed the record that owned it, so it has no other owner.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

impl State {
    /// A pipe with room for so many bytes: the end to read from, and the end to write to.
    pub(crate) fn pipe(&mut self, bytes: usize) -> io::Result<[OwnedFd; 2]> {
        let ends = self.ring.kernel().pipe(bytes)?;
        // SAFETY: the kernel has just made it, for nobody else.
        Ok(ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// One more descriptor of an open file.
    pub(crate) fn duplicate(&mut self, fd: RawFd) -> io::Result<OwnedFd> {
        let duplicate = self.ring.kernel().duplicate(fd)?;
        // SAFETY: the kernel has just made it, for nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
    }
}

impl Core {
    pub(crate) fn adopt(&self, fd: RawFd, mut kind: Kind) -> Owned {
        let mut state = self.state.borrow_mut();
        if let Kind::Stream(stream) = &mut kind {
            stream.send.gear = if stream.is_unix() { Gear::OFF } else { state.first_gear() };
        }
        let target = state.take_fixed(fd);
        let key = state.records.insert(fd, target, kind);
        state.counters.descriptors.add(1);
        Owned::of_record(self.id(), key, fd, state.lets_go())
    }

    /// The handle of a record is gone. False if the record is.
    fn close(&self, key: Key) -> bool {
        let was_there = self.state.borrow_mut().close(key);
        self.run_after();
        was_there
    }
}
