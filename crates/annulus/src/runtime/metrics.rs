//! What a core has done and holds, as a value.
//!
//! Owns: [`Metrics`], its table for people, its difference, and [`MetricsHandle`]. Does not own:
//! the numbers themselves (`core::metrics`).

use std::fmt;
use std::sync::Arc;

use annulus_task::CoreId;

use crate::core::metrics::Board;

/// Counters and levels of a core: what it has done so far, and what it holds now.
///
/// Counters only grow; levels say what is now. They are read from any thread, at any time, with
/// [`Runtime::metrics`](super::Runtime::metrics), [`CoreHandle::metrics`](super::CoreHandle) or a
/// [`MetricsHandle`], and for the current core with [`metrics`](super::metrics()). Reading disturbs
/// the core as little as loading a few words from another CPU's cache does, and counting costs it
/// the same whether or not anybody reads. The last numbers of a core that has ended stay.
///
/// # Consistency
/// Read on the core's own thread, all numbers are of one moment. Read elsewhere, each number is one
/// that the core wrote, and none goes back, but two of them may be a turn apart. Numbers with *once
/// a turn* were true when the core last went to the kernel: for a core that sleeps, they are true.
///
/// ```
/// use annulus::runtime::Runtime;
///
/// let runtime = Runtime::new()?;
/// let handle = runtime.metrics_handle();
/// let before = handle.read();
/// runtime.block_on(async { annulus::spawn(async {}).await }).unwrap();
/// // Here on another thread, though any would do.
/// let after = std::thread::spawn(move || handle.read()).join().unwrap();
/// assert_eq!(after.since(&before).tasks_spawned, 1);
/// println!("{after}");
/// # Ok::<(), annulus::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Turns of the loop.
    pub turns: u64,
    /// Calls of io_uring_enter(2).
    pub enters: u64,
    /// Of these, the ones that waited for a completion if none was there.
    pub waits: u64,
    /// Sleeps without the ring, on the futex by which other threads wake the core: nothing was in
    /// flight, and no descriptor was open.
    pub waits_alone: u64,
    /// Times that the core looked for completions for a while before it slept
    /// ([`Builder::spin`](super::Builder::spin)).
    pub spins: u64,
    /// Expirations of the timer that keeps the CPU's tick running; see
    /// [`Builder::keep_tick`](super::Builder::keep_tick).
    pub ticks: u64,
    /// Submission queue entries written, but for those of the tick; once a turn.
    pub sqes: u64,
    /// Completion queue entries reaped, but for those of the tick.
    pub cqes: u64,
    /// Times that the submission queue was full in the middle of a turn.
    pub sq_full: u64,
    /// Times that completions had overflowed their queue and were flushed.
    pub cq_overflows: u64,
    /// Completions that belonged to nothing, or named a provided buffer that the kernel did not
    /// have; anything but 0 is a bug of the kernel or of this crate.
    pub stale_cqes: u64,
    /// Times that another thread rang the core out of its sleep.
    pub bell_rings: u64,
    /// Requests whose future was dropped while the kernel had them.
    pub orphans: u64,
    /// Cancels sent to the kernel.
    pub cancels: u64,
    /// Requests that the kernel cancelled although nobody had asked, because it could not start a
    /// worker thread; each was given to it again, up to 16 times in a row.
    pub cancels_unasked: u64,
    /// Leases handed out.
    pub leases: u64,
    /// Times that a receive found no provided buffer.
    pub starvations: u64,
    /// Receives that went through the heap because all provided buffers were out.
    pub heap_receives: u64,
    /// Reads of files that the page cache answered, without a request
    /// ([`Builder::reads_cached`](super::Builder::reads_cached)).
    pub reads_cached: u64,
    /// Queued sends of dropped sockets that were given up when their time was over.
    pub sends_given_up: u64,
    /// Sends that were given to the kernel to be sent without copying.
    pub zero_copy_sends: u64,
    /// Of these, the ones whose bytes the kernel copied after all, as it reported. (Loopback always
    /// copies.)
    pub zero_copy_copies: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Times that user code kept the core for longer than the stall threshold, if one is set.
    pub stalls: u64,
    /// The longest that the user code of one turn took, in nanoseconds; only if a
    /// [stall threshold](super::Builder::stall_threshold) is set, because else nobody reads the
    /// clock. 0 if not.
    pub longest_turn_ns: u64,
    /// Tasks spawned.
    pub tasks_spawned: u64,
    /// Polls of tasks; once a turn.
    pub polls: u64,
    /// Wakes that came from other threads.
    pub remote_wakes: u64,
    /// Jobs that other threads posted and the core took: spawns, stops, drops of handles.
    pub posts: u64,
    /// Jobs that the threads of [`spawn_blocking`](crate::task::spawn_blocking) have done, for all
    /// cores that share them.
    pub blocking_done: u64,
    /// Level: slots of the op table in use: requests in flight, queued sends, results that nobody
    /// has taken yet; once a turn.
    pub ops_in_flight: u32,
    /// Level: slots whose future is gone and that the kernel still has.
    pub orphans_in_flight: u32,
    /// Level: descriptors that this core owns.
    pub descriptors: u32,
    /// Level: free slots of the fixed-file table.
    pub fixed_files_free: usize,
    /// Level: streams that wait for a provided buffer.
    pub starved: u32,
    /// Level: leases out. Those that came back on other threads count, elsewhere than on the core's
    /// own thread, until the core needs their buffers.
    pub leases_out: u32,
    /// Level: provided buffers that the kernel has, of all pools.
    pub buffers_published: u32,
    /// Level: provided buffers in all, published, on lease or free.
    pub buffers: u32,
    /// Level: timers armed; once a turn.
    pub timers: usize,
    /// Level: tasks alive.
    pub tasks: usize,
    /// Level: wakes or jobs of other threads wait for the core. How many they are nobody counts:
    /// that would cost those threads a locked instruction each.
    pub inbox_waits: bool,
    /// Level: threads of [`spawn_blocking`](crate::task::spawn_blocking), for all cores that share
    /// them.
    pub blocking_threads: usize,
    /// Level: jobs that wait for one of these threads.
    pub blocking_queue: usize,
}

impl Metrics {
    /// What has been done since `earlier`, a reading of the same core: counters are differences,
    /// levels are what they are now. Divided by the time between the readings, these are rates.
    ///
    /// [`longest_turn_ns`](Self::longest_turn_ns), a maximum, stays as it is.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        for (now, then) in since.counters_mut().into_iter().zip(earlier.counters()) {
            *now = now.saturating_sub(then);
        }
        since
    }

    fn counters(&self) -> [u64; COUNTERS] {
        let mut copy = *self;
        copy.counters_mut().map(|counter| *counter)
    }

    fn counters_mut(&mut self) -> [&mut u64; COUNTERS] {
        [
            &mut self.turns,
            &mut self.enters,
            &mut self.waits,
            &mut self.waits_alone,
            &mut self.spins,
            &mut self.ticks,
            &mut self.sqes,
            &mut self.cqes,
            &mut self.sq_full,
            &mut self.cq_overflows,
            &mut self.stale_cqes,
            &mut self.bell_rings,
            &mut self.orphans,
            &mut self.cancels,
            &mut self.cancels_unasked,
            &mut self.leases,
            &mut self.starvations,
            &mut self.heap_receives,
            &mut self.reads_cached,
            &mut self.sends_given_up,
            &mut self.zero_copy_sends,
            &mut self.zero_copy_copies,
            &mut self.timers_fired,
            &mut self.stalls,
            &mut self.tasks_spawned,
            &mut self.polls,
            &mut self.remote_wakes,
            &mut self.posts,
            &mut self.blocking_done,
        ]
    }

    /// The table: a row for each subject, and what is counted of it.
    fn rows(&self) -> Vec<(&'static str, Vec<Cell>)> {
        let mut rows = self.rows_of_the_kernel();
        rows.extend(self.rows_of_the_core());
        rows
    }

    fn rows_of_the_kernel(&self) -> Vec<(&'static str, Vec<Cell>)> {
        let turns = vec![
            cell("", self.turns),
            cell("longest, ns", self.longest_turn_ns),
            cell("stalls", self.stalls),
        ];
        let kernel = vec![
            cell("enters", self.enters),
            cell("waits", self.waits),
            cell("waits alone", self.waits_alone),
            cell("spins", self.spins),
            cell("ticks", self.ticks),
        ];
        let queues = vec![
            cell("sqes", self.sqes),
            cell("cqes", self.cqes),
            cell("sq full", self.sq_full),
            cell("cq overflows", self.cq_overflows),
            cell("stale", self.stale_cqes),
        ];
        let ops = vec![
            cell("in flight", self.ops_in_flight),
            cell("orphans", self.orphans_in_flight),
            cell("orphaned", self.orphans),
            cell("cancels", self.cancels),
            cell("cancels unasked", self.cancels_unasked),
        ];
        vec![("turns", turns), ("kernel", kernel), ("queues", queues), ("ops", ops)]
    }

    fn rows_of_the_core(&self) -> Vec<(&'static str, Vec<Cell>)> {
        let sockets = vec![
            cell("descriptors", self.descriptors),
            cell("fixed free", self.fixed_files_free as u64),
            cell("sends given up", self.sends_given_up),
            cell("zero copy", self.zero_copy_sends),
            cell("copied", self.zero_copy_copies),
            cell("cached reads", self.reads_cached),
        ];
        let buffers = vec![
            cell("total", self.buffers),
            cell("published", self.buffers_published),
            cell("on lease", self.leases_out),
            cell("starved", self.starved),
            cell("leases", self.leases),
            cell("starvations", self.starvations),
            cell("heap", self.heap_receives),
        ];
        let tasks = vec![
            cell("alive", self.tasks as u64),
            cell("spawned", self.tasks_spawned),
            cell("polls", self.polls),
            cell("timers", self.timers as u64),
            cell("fired", self.timers_fired),
        ];
        let threads = vec![
            cell("wakes", self.remote_wakes),
            cell("posts", self.posts),
            cell("bell rings", self.bell_rings),
            cell("inbox waits", self.inbox_waits),
        ];
        let blocking = vec![
            cell("threads", self.blocking_threads as u64),
            cell("queued", self.blocking_queue as u64),
            cell("done", self.blocking_done),
        ];
        vec![
            ("sockets", sockets),
            ("buffers", buffers),
            ("tasks", tasks),
            ("threads", threads),
            ("blocking", blocking),
        ]
    }
}

fn cell(what: &'static str, value: impl Into<u64>) -> Cell {
    Cell { what, value: value.into() }
}

/// How many fields of [`Metrics`] are counters.
const COUNTERS: usize = 29;

struct Cell {
    what: &'static str,
    value: u64,
}

/// A table with a line for each subject.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (subject, cells)) in self.rows().into_iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{subject:<9}")?;
            for (at, Cell { what, value }) in cells.into_iter().enumerate() {
                let width = if at == 0 { 12 } else { 10 };
                write!(f, "{value:>width$}")?;
                if !what.is_empty() {
                    write!(f, " {what}")?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the [`Metrics`] of one core, from any thread, for as long as it is kept.
#[derive(Clone, Debug)]
pub struct MetricsHandle {
    board: Arc<Board>,
}

impl MetricsHandle {
    pub(crate) fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// The numbers of now, or the last ones of a core that has ended.
    #[must_use]
    pub fn read(&self) -> Metrics {
        self.board.snapshot()
    }

    /// Whose numbers they are.
    #[must_use]
    pub fn core_id(&self) -> CoreId {
        self.board.core
    }

    /// Whether the core has ended: its numbers change no more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.board.has_ended()
    }
}

#[cfg(test)]
mod tests;
