//! What a core counts: its board, which any thread may read at any time.
//!
//! Owns the numbers, in memory that outlives the core, and the list by which a core's name leads to
//! its board. Does not own what readers get (`runtime::metrics` makes a value of it).
//!
//! ```text
//!   core's thread:  load, add, store ----> Board <---- load: any thread
//!   slots of the table, entries of both queues: as sums, when the core goes to the kernel
//! ```
//!
//! Invariants: one thread writes a number, with a plain load and a plain store, so counting takes
//! no locked instruction and the same time whether or not somebody reads; a board never goes while
//! its core lives, and its last numbers stay when the core has ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, MutexGuard};

use annulus_task::{CoreId, ForkLock, Tally};

use super::workers::Workers;
use super::{Core, State};
use crate::runtime::Metrics;

/// A number that the core's thread writes and any thread reads: a counter or a level.
#[derive(Debug, Default)]
pub(crate) struct Number(AtomicU64);

impl Number {
    #[inline]
    pub(crate) fn read(&self) -> u64 {
        // ORDERING: Relaxed, pairs with the store in `set`; nothing else is published by it.
        self.0.load(Ordering::Relaxed)
    }

    /// Owner: one value takes the place of another.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        // ORDERING: Relaxed, pairs with the load in `read`. No other thread writes.
        self.0.store(value, Ordering::Relaxed);
    }

    /// Owner: so many more.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.set(self.read().wrapping_add(more));
    }

    /// Owner: so many fewer.
    #[inline]
    pub(crate) fn subtract(&self, fewer: u64) {
        self.set(self.read().wrapping_sub(fewer));
    }

    /// Owner: the largest of all values so far.
    pub(crate) fn raise(&self, value: u64) {
        self.set(self.read().max(value));
    }
}

/// The numbers of one core. [`Metrics`] says what each of them means.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Board {
    pub(crate) core: CoreId,
    /// Calls of io_uring_enter(2) that only submit.
    pub(crate) submits: Number,
    /// Calls made when there was nothing else to do.
    waits: Number,
    pub(crate) waits_alone: Number,
    /// The tail of the submission queue, and what it was at first.
    sq_tail: Number,
    pub(crate) sq_start: Number,
    pub(crate) cqes: Number,
    ops_in_flight: Number,
    timers: Number,
    pub(crate) spins: Number,
    pub(crate) ticks: Number,
    pub(crate) sq_full: Number,
    pub(crate) cq_overflows: Number,
    pub(crate) stale_cqes: Number,
    pub(crate) bell_rings: Number,
    pub(crate) orphans: Number,
    pub(crate) orphans_in_flight: Number,
    pub(crate) cancels: Number,
    pub(crate) cancels_unasked: Number,
    pub(crate) leases: Number,
    pub(crate) starvations: Number,
    pub(crate) heap_receives: Number,
    pub(crate) reads_cached: Number,
    pub(crate) sends_given_up: Number,
    pub(crate) zero_copy_sends: Number,
    pub(crate) zero_copy_copies: Number,
    pub(crate) timers_fired: Number,
    pub(crate) stalls: Number,
    pub(crate) longest_turn_ns: Number,
    pub(crate) descriptors: Number,
    pub(crate) fixed_files_free: Number,
    pub(crate) starved: Number,
    pub(crate) leases_out: Number,
    pub(crate) buffers_published: Number,
    pub(crate) buffers: Number,
    pub(crate) life: Life,
    pub(crate) tally: Arc<Tally>,
    blocking: Arc<Workers>,
}

/// What a core is at, for who asks it in vain.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// 1 while somebody drives the core.
    pub(crate) driven: Number,
    /// 1 while the future of `block_on` is being polled.
    pub(crate) in_root: Number,
    /// The round before which the future of `block_on` was polled last.
    pub(crate) root_round: Number,
    /// When what runs now began, if the core looks for stalls.
    pub(crate) lap_ns: Number,
    /// 1 if its clock is that of the machine.
    pub(crate) real_clock: Number,
    /// Once the core has ended: as the how manieth, from 1 on.
    ended: Number,
}

/// Cores that have ended in this process.
static ENDED: AtomicU64 = AtomicU64::new(0);

impl Board {
    /// Calls of io_uring_enter(2).
    pub(crate) fn enters(&self) -> u64 {
        self.submits.read() + self.waits.read()
    }

    pub(crate) fn new(core: CoreId, tally: Arc<Tally>, blocking: Arc<Workers>) -> Arc<Self> {
        let board = Arc::new(Self {
            core,
            submits: Number::default(),
            waits: Number::default(),
            waits_alone: Number::default(),
            sq_tail: Number::default(),
            sq_start: Number::default(),
            cqes: Number::default(),
            ops_in_flight: Number::default(),
            timers: Number::default(),
            spins: Number::default(),
            ticks: Number::default(),
            sq_full: Number::default(),
            cq_overflows: Number::default(),
            stale_cqes: Number::default(),
            bell_rings: Number::default(),
            orphans: Number::default(),
            orphans_in_flight: Number::default(),
            cancels: Number::default(),
            cancels_unasked: Number::default(),
            leases: Number::default(),
            starvations: Number::default(),
            heap_receives: Number::default(),
            reads_cached: Number::default(),
            sends_given_up: Number::default(),
            zero_copy_sends: Number::default(),
            zero_copy_copies: Number::default(),
            timers_fired: Number::default(),
            stalls: Number::default(),
            longest_turn_ns: Number::default(),
            descriptors: Number::default(),
            fixed_files_free: Number::default(),
            starved: Number::default(),
            leases_out: Number::default(),
            buffers_published: Number::default(),
            buffers: Number::default(),
            life: Life::default(),
            tally,
            blocking,
        });
        boards().enlist(&board);
        board
    }

    /// Completions were reaped.
    #[inline]
    pub(crate) fn add_cqes(&self, count: usize) {
        self.cqes.add(count as u64);
    }

    /// Completions had overflowed their queue.
    #[inline]
    pub(crate) fn note_overflow(&self, overflowed: bool) {
        if overflowed {
            self.cq_overflows.add(1);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.life.ended.read() != 0
    }

    /// The core has ended.
    pub(crate) fn end(&self) {
        // ORDERING: relaxed; only that each gets another number.
        self.life.ended.set(ENDED.fetch_add(1, Ordering::Relaxed) + 1);
    }

    /// All numbers, as they are now.
    pub(crate) fn snapshot(&self) -> Metrics {
        let (tally, pool) = (&self.tally, self.blocking.levels());
        let spawned = tally.spawned();
        // ORDERING: keeps the load above before the one below. The other way round, tasks that are
        // spawned and end between the two would count as alive.
        fence(Ordering::Acquire);
        let ended = tally.ended();
        let (submits, waits) = (self.submits.read(), self.waits.read());
        Metrics {
            turns: tally.rounds(),
            enters: submits + waits,
            waits,
            waits_alone: self.waits_alone.read(),
            spins: self.spins.read(),
            ticks: self.ticks.read(),
            sqes: self.sq_tail.read().saturating_sub(self.sq_start.read()),
            cqes: self.cqes.read(),
            sq_full: self.sq_full.read(),
            cq_overflows: self.cq_overflows.read(),
            stale_cqes: self.stale_cqes.read(),
            bell_rings: self.bell_rings.read(),
            orphans: self.orphans.read(),
            cancels: self.cancels.read(),
            cancels_unasked: self.cancels_unasked.read(),
            leases: self.leases.read(),
            starvations: self.starvations.read(),
            heap_receives: self.heap_receives.read(),
            reads_cached: self.reads_cached.read(),
            sends_given_up: self.sends_given_up.read(),
            zero_copy_sends: self.zero_copy_sends.read(),
            zero_copy_copies: self.zero_copy_copies.read(),
            timers_fired: self.timers_fired.read(),
            stalls: self.stalls.read(),
            longest_turn_ns: self.longest_turn_ns.read(),
            tasks_spawned: spawned,
            polls: tally.polls(),
            remote_wakes: tally.remote_wakes(),
            posts: tally.posts(),
            blocking_done: pool.done,
            ops_in_flight: self.ops_in_flight.read() as u32,
            orphans_in_flight: self.orphans_in_flight.read() as u32,
            descriptors: self.descriptors.read() as u32,
            fixed_files_free: self.fixed_files_free.read() as usize,
            starved: self.starved.read() as u32,
            leases_out: self.leases_out.read() as u32,
            buffers_published: self.buffers_published.read() as u32,
            buffers: self.buffers.read() as u32,
            timers: self.timers.read() as usize,
            tasks: spawned.saturating_sub(ended) as usize,
            inbox_waits: annulus_task::inbox_waits(self.core),
            blocking_threads: pool.threads,
            blocking_queue: pool.queue,
        }
    }
}

impl State {
    /// The core goes to the kernel, to wait if nothing has completed: counts that, and notes the
    /// levels that change with each operation, which would cost more where they change.
    #[inline]
    pub(crate) fn note_wait(&self) {
        let board = &*self.counters;
        board.waits.add(1);
        self.note_levels(board);
    }

    /// As [`note_wait`](Self::note_wait), for a call that only submits.
    #[inline]
    pub(crate) fn note_submit(&self) {
        let board = &*self.counters;
        board.submits.add(1);
        self.note_levels(board);
    }

    #[inline]
    fn note_levels(&self, board: &Board) {
        board.ops_in_flight.set(u64::from(self.table.used()));
        board.sq_tail.set(self.ring.sq_tail());
    }

    /// Timers were armed, fired or cancelled.
    #[inline]
    pub(crate) fn note_timers(&self) {
        self.counters.timers.set(self.wheel.len() as u64);
    }

    /// The rest of the levels, exactly.
    fn note_all_levels(&mut self) {
        let board = &*self.counters;
        self.note_levels(board);
        self.note_timers();
        board.descriptors.set(u64::from(self.records.used()));
        board.fixed_files_free.set(self.fixed_free.len() as u64);
        self.note_starved();
        let (mut leases, mut published, mut count) = (0, 0, 0);
        for pool in self.pools.iter().chain(self.messages.look()) {
            leases += u64::from(pool.leases_out());
            published += u64::from(pool.published());
            count += u64::from(pool.count());
        }
        board.leases_out.set(leases);
        board.buffers_published.set(published);
        board.buffers.set(count);
    }
}

impl Core {
    /// On the core's own thread: the numbers of this very moment.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut state = self.state.borrow_mut();
        state.note_all_levels();
        state.counters.snapshot()
    }
}

/// Boards of cores that have ended and are still found by name; those that ended earlier go.
const ENDED_MAX: usize = 256;

/// Where a core's name leads to its board.
struct Boards {
    by_core: BTreeMap<CoreId, Arc<Board>>,
}

static BOARDS: ForkLock<Boards> = ForkLock::new(|| Boards { by_core: BTreeMap::new() });

fn boards() -> MutexGuard<'static, Boards> {
    BOARDS.lock()
}

impl Boards {
    fn enlist(&mut self, board: &Arc<Board>) {
        if self.by_core.len() >= ENDED_MAX {
            let boards = self.by_core.values().filter(|board| board.has_ended());
            let mut ended: Vec<(u64, CoreId)> =
                boards.map(|board| (board.life.ended.read(), board.core)).collect();
            ended.sort_unstable();
            let surplus = (ended.len() + 1).saturating_sub(ENDED_MAX);
            for (_, core) in ended.drain(..surplus) {
                self.by_core.remove(&core);
            }
        }
        self.by_core.insert(board.core, board.clone());
    }
}

/// The board of a core that lives, or that has ended not too long ago.
pub(crate) fn board_of(core: CoreId) -> Option<Arc<Board>> {
    boards().by_core.get(&core).cloned()
}

#[cfg(test)]
mod tests;
