//! Threads for what would block a core: a bounded number, started when there is work, ended when
//! there is none for a while.
//!
//! Owns: the queue of jobs and the threads. Does not own: results (each job has its way to deliver
//! one). Invariants: a thread runs a job without the lock; a job that was queued runs, unless the
//! last core that uses the threads ends before; what a job throws, be it run or dropped, ends with
//! the job.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

#[cfg(shuttle)]
use models::{Condvar, Mutex, MutexGuard, thread};
#[cfg(not(shuttle))]
use std::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(shuttle))]
use std::thread;

/// What a thread runs.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// How many threads and jobs there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) threads_max: usize,
    /// Jobs that wait for a thread.
    pub(crate) queue_max: usize,
    /// How long a thread waits for a job before it ends.
    pub(crate) idle: Duration,
}

impl Default for Shape {
    fn default() -> Self {
        Self { threads_max: 256, queue_max: 4096, idle: Duration::from_secs(10) }
    }
}

/// What there is of threads and jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Levels {
    pub(crate) threads: usize,
    /// Jobs that wait for a thread.
    pub(crate) queue: usize,
    /// Jobs that were run.
    pub(crate) done: u64,
}

/// Why a job was not taken.
pub(crate) enum Refused {
    /// The queue is full; the waker is woken when it is not.
    Full(Job),
    /// The cores have ended, or the system gives no thread.
    Closed,
}

/// The threads of one core, or of the cores of one launch.
pub(crate) struct Workers {
    shape: Shape,
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    /// Futures whose job found no room, each once, by the numbers of their tickets.
    waiting: BTreeMap<u64, Waker>,
    /// Tickets ever given.
    tickets: u64,
    threads: usize,
    idle: usize,
    /// Threads ever started, for their names.
    started: usize,
    /// Jobs that were run.
    done: u64,
    /// Cores that use these threads.
    cores: usize,
    closed: bool,
}

/// The place of a future among those whose job found no room.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Option<u64>);

impl State {
    /// Notes who waits for room. Gives the waker that was there before.
    fn wait(&mut self, ticket: &mut Ticket, waker: Waker) -> Option<Waker> {
        let number = *ticket.0.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        self.waiting.insert(number, waker)
    }
}

impl Workers {
    pub(crate) fn new(shape: Shape) -> Arc<Self> {
        let state = State {
            jobs: VecDeque::new(),
            waiting: BTreeMap::new(),
            tickets: 0,
            threads: 0,
            idle: 0,
            started: 0,
            done: 0,
            cores: 0,
            closed: false,
        };
        let (work, ended) = (Condvar::new(), Condvar::new());
        Arc::new(Self { shape, state: Mutex::new(state), work, ended })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job, and sees to it that a thread comes for it. Without room, the waker of who
    /// waits is kept in the place of the one before.
    pub(crate) fn push(
        self: &Arc<Self>,
        job: Job,
        waits: Option<(&mut Ticket, Waker)>,
    ) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.jobs.len() >= self.shape.queue_max {
            let displaced = waits.and_then(|(ticket, waker)| state.wait(ticket, waker));
            drop(state);
            drop(displaced);
            return Err(Refused::Full(job));
        }
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            drop(state);
            self.work.notify_one();
            return Ok(());
        }
        if state.threads >= self.shape.threads_max {
            return Ok(());
        }
        state.threads += 1;
        state.started += 1;
        let name = format!("annulus-block-{}", state.started - 1);
        drop(state);
        let workers = self.clone();
        let started = thread::Builder::new().name(name).spawn(move || workers.run());
        if started.is_ok() { Ok(()) } else { self.go_without() }
    }

    /// A future that waited for room is done or gone.
    pub(crate) fn leave_queue(&self, ticket: &mut Ticket) {
        let Some(number) = ticket.0.take() else { return };
        let displaced = self.lock().waiting.remove(&number);
        drop(displaced);
    }

    /// The system gives no further thread: the others will come for the job, if there are any. If
    /// there are none, nobody comes for what others queued meanwhile either.
    fn go_without(&self) -> Result<(), Refused> {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(());
        }
        let (jobs, waiting) = (std::mem::take(&mut state.jobs), std::mem::take(&mut state.waiting));
        drop(state);
        self.ended.notify_all();
        discard(jobs);
        waiting.into_values().for_each(wake);
        Err(Refused::Closed)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                let waiting = std::mem::take(&mut state.waiting);
                drop(state);
                waiting.into_values().for_each(wake);
                contain(job);
                state = self.lock();
                state.done += 1;
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, self.shape.idle);
            let timed_out;
            (state, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if timed_out.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        drop(state);
        self.ended.notify_all();
    }

    /// A core will use the threads.
    pub(crate) fn join(&self) {
        self.lock().cores += 1;
    }

    /// A core has ended. The last one drops the jobs that no thread has begun, and waits for those
    /// that are running. False if they were not done in time; they go on then.
    pub(crate) fn leave(&self, bound: Duration) -> bool {
        let mut state = self.lock();
        state.cores -= 1;
        if state.cores > 0 {
            return true;
        }
        state.closed = true;
        let (jobs, waiting) = (std::mem::take(&mut state.jobs), std::mem::take(&mut state.waiting));
        drop(state);
        self.work.notify_all();
        discard(jobs);
        waiting.into_values().for_each(wake);
        let begun = Instant::now();
        let mut state = self.lock();
        while state.threads > 0 {
            let Some(left) = bound.checked_sub(begun.elapsed()) else { return false };
            let waited = self.ended.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// What there is of threads and jobs now.
    pub(crate) fn levels(&self) -> Levels {
        let state = self.lock();
        Levels { threads: state.threads, queue: state.jobs.len(), done: state.done }
    }

    /// Whether a job waits or runs.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.lock();
        !state.jobs.is_empty() || state.threads > state.idle
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// A waker may be one of any executor, and throw.
fn wake(waker: Waker) {
    contain(|| waker.wake());
}

/// Drops jobs that nobody will run. What they hold may throw, and others wait behind it.
fn discard(jobs: VecDeque<Job>) {
    jobs.into_iter().for_each(|job| contain(|| drop(job)));
}

/// Runs user code on a thread that goes on. The payload of a panic, of which the hook has reported,
/// is leaked: dropping it is user code, too.
fn contain(user_code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
        std::mem::forget(payload);
    }
}

#[cfg(shuttle)]
mod models;
#[cfg(test)]
mod tests;
