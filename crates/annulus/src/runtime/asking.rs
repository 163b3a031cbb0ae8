//! Asking a core for its dump, and what to say if it does not answer.
//!
//! Owns: the question, which is a job in the core's inbox, and the look from outside at a core that
//! is stuck. Does not own: the answer (`core::dump`).

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use annulus_sync::cross::{OneReceiver, oneshot};
use annulus_task::{CoreId, Name, TaskId};

use super::{CoreHandle, Dump};
use crate::core::metrics::{Board, board_of};
use crate::core::{Core, with_any, with_core};

/// Everything that the current core has: its tasks with what they wait for, its requests and its
/// descriptors.
///
/// # Errors
/// If no runtime runs on this thread.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let task = annulus::task::spawn_named("dreamer", std::future::pending::<()>());
/// annulus::task::yield_now().await;
/// let dump = annulus::runtime::dump()?;
/// assert!(dump.task_named("dreamer").is_some());
/// println!("{dump}");
/// # Ok(())
/// # }
/// ```
pub fn dump() -> io::Result<Dump> {
    with_any(Core::dump)
}

/// Why a core gave no dump.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DumpError {
    /// It has ended.
    Ended,
    /// It did not answer in time.
    Stuck(Stuck),
}

/// What can be seen from outside of a core that does not answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stuck {
    /// Which core.
    pub core: CoreId,
    /// What it is at.
    pub at: StuckAt,
    /// It has been at this for at least so long.
    pub at_least: Duration,
    /// For exactly so long; known only if a
    /// [stall threshold](super::Builder::stall_threshold) is set and the core is on the real
    /// kernel, because else nobody reads the clock.
    pub lasts: Option<Duration>,
    /// Rounds of polling that it has begun.
    pub round: u64,
}

/// What a core that does not answer is at.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StuckAt {
    /// A poll of a task that does not end.
    #[non_exhaustive]
    Task {
        /// Which task.
        id: TaskId,
        /// What it is called. A name is on the task's core; it is shown to others only while the
        /// core looks for [stalls](super::Builder::stall_threshold).
        name: Option<Name>,
        /// What the type of its future is called.
        kind: &'static str,
    },
    /// A poll of the future of `block_on` that does not end.
    BlockOn,
    /// A job that another thread posted.
    Post,
    /// Nobody drives it: its runtime is not in a `block_on`.
    NotDriven,
    /// Something else of its own, or the kernel.
    Elsewhere,
    /// It goes on, and did not come to answer.
    Turning,
}

impl CoreHandle {
    /// Everything that the core has: its tasks with what they wait for, its requests and its
    /// descriptors. A core that sleeps is woken for it.
    ///
    /// On the core itself the answer is there at the first poll. A core that is stuck in a long
    /// poll answers when that is over; with a [timeout](crate::time::timeout()), or with
    /// [`dump_blocking`](Self::dump_blocking), one need not wait for that.
    ///
    /// # Errors
    /// [`DumpError::Ended`] if the core has ended.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the answer; the core may still make it.
    ///
    /// # Kernel
    /// None on the core itself. From another one, the bell of a core that sleeps: a wake of its
    /// futex, 6.7, or a write to its eventfd.
    ///
    /// ```
    /// use annulus::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let core = runtime.handle();
    /// let asker = std::thread::spawn(move || {
    ///     let dump = core.dump_blocking(std::time::Duration::from_secs(5));
    ///     core.stop(None);
    ///     dump
    /// });
    /// runtime.block_on(annulus::runtime::stopping());
    /// let dump = asker.join().unwrap()?;
    /// assert_eq!(dump.tasks.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dump(&self) -> Dumping {
        Dumping { core: self.id(), stage: Stage::Unasked }
    }

    /// As [`dump`](Self::dump), from any thread, which it blocks for `timeout` at most.
    ///
    /// # Errors
    /// [`DumpError::Stuck`] if the core did not answer in time, with what can be seen from outside:
    /// the task that it runs, and since when.
    pub fn dump_blocking(&self, timeout: Duration) -> Result<Dump, DumpError> {
        let id = self.id();
        if let Ok(dump) = with_core(id, Core::dump) {
            return Ok(dump);
        }
        let before = board_of(id).map(|board| (Moment::of(&board), board));
        let asked = Instant::now();
        let (answer, answered) = channel();
        let question = annulus_task::post(id, move || {
            if let Ok(dump) = with_core(id, Core::dump) {
                // Who asked may have given up.
                let _ = answer.send(dump);
            }
        });
        if question.is_err() {
            return Err(DumpError::Ended);
        }
        match (answered.recv_timeout(timeout), before) {
            (Ok(dump), _) => Ok(dump),
            (Err(RecvTimeoutError::Timeout), Some((before, board))) => {
                Err(DumpError::Stuck(before.compare(&board, asked.elapsed())))
            }
            (Err(_), _) => Err(DumpError::Ended),
        }
    }
}

/// The future of [`CoreHandle::dump`].
///
/// # Cancel safety
/// Dropping it makes the core's answer useless, and nothing else.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Dumping {
    core: CoreId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Unasked,
    Asked(OneReceiver<Dump>),
}

impl Dumping {
    fn ask(id: CoreId) -> Result<OneReceiver<Dump>, DumpError> {
        let (answer, answered) = oneshot();
        let question = annulus_task::post(id, move || {
            if let Ok(dump) = with_core(id, Core::dump) {
                // Who asked may have given up.
                let _ = answer.send(dump);
            }
        });
        question.map_err(|_closed| DumpError::Ended).map(|()| answered)
    }
}

impl Future for Dumping {
    type Output = Result<Dump, DumpError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let core = self.core;
        if let Stage::Unasked = self.stage {
            if let Ok(dump) = with_core(core, Core::dump) {
                return Poll::Ready(Ok(dump));
            }
            self.stage = Stage::Asked(Self::ask(core)?);
        }
        match &mut self.stage {
            Stage::Unasked => Poll::Pending,
            Stage::Asked(answered) => {
                Pin::new(answered).poll(cx).map_err(|_closed| DumpError::Ended)
            }
        }
    }
}

/// What a core is at, seen from outside.
struct Moment {
    round: u64,
    posts: u64,
    current: Option<TaskId>,
}

impl Moment {
    fn of(board: &Board) -> Self {
        let tally = &board.tally;
        Self { round: tally.rounds(), posts: tally.posts(), current: tally.current() }
    }

    /// What it was at all the time since this moment, `waited` ago.
    fn compare(&self, board: &Board, waited: Duration) -> Stuck {
        let now = Self::of(board);
        let (tally, life) = (&board.tally, &board.life);
        let same = (now.round, now.posts) == (self.round, self.posts);
        let at = match now.current {
            _ if life.driven.read() == 0 => StuckAt::NotDriven,
            Some(id) if same && self.current == now.current => StuckAt::Task {
                id,
                name: tally.current_name(),
                kind: tally.current_kind().unwrap_or_default(),
            },
            None if same && life.in_root.read() != 0 => StuckAt::BlockOn,
            None if same && tally.in_post() => StuckAt::Post,
            _ if same => StuckAt::Elsewhere,
            _ => StuckAt::Turning,
        };
        let lap_ns = life.lap_ns.read();
        let clock_ns = crate::time::real_now_ns();
        let runs_user_code = matches!(at, StuckAt::Task { .. } | StuckAt::BlockOn | StuckAt::Post);
        let lasts = (runs_user_code && lap_ns != 0 && life.real_clock.read() != 0)
            .then(|| Duration::from_nanos(clock_ns.saturating_sub(lap_ns)));
        let at_least = if same { waited } else { Duration::ZERO };
        Stuck { core: board.core, at, at_least, lasts, round: now.round }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} does not answer: ", self.core)?;
        match &self.at {
            StuckAt::Task { id, name, kind } => {
                f.write_str("a poll of task ")?;
                if let Some(name) = name {
                    write!(f, "{name:?} ")?;
                }
                write!(f, "{id:?} ({kind}) does not end")?;
            }
            StuckAt::BlockOn => f.write_str("a poll of the future of block_on does not end")?,
            StuckAt::Post => f.write_str("a job that another thread posted does not end")?,
            StuckAt::NotDriven => return f.write_str("its runtime is in no block_on"),
            StuckAt::Elsewhere => f.write_str("it is in the kernel, or in code of its own")?,
            StuckAt::Turning => return f.write_str("it goes on, but did not come to it in time"),
        }
        match self.lasts {
            Some(lasts) => write!(f, ", for {lasts:.1?}")?,
            None => write!(f, ", for {:.1?} at least", self.at_least)?,
        }
        write!(f, ", in round {}", self.round)
    }
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the core has ended"),
            Self::Stuck(stuck) => stuck.fmt(f),
        }
    }
}

impl std::error::Error for DumpError {}

impl From<DumpError> for io::Error {
    fn from(error: DumpError) -> Self {
        let kind = match error {
            DumpError::Ended => io::ErrorKind::NotConnected,
            DumpError::Stuck(_) => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}
