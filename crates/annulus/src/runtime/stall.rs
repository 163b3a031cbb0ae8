//! The report of a stall, as people and programs read it.
//!
//! Owns: what is said, and where it goes. Does not own: the measurement (`core::stall`).

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use annulus_task::TaskId;

/// User code kept a core from its I/O for longer than
/// [`Builder::stall_threshold`](super::Builder::stall_threshold).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall<'a> {
    /// What did.
    pub by: StalledBy<'a>,
    /// For how long.
    pub lasted: Duration,
    /// What was allowed.
    pub threshold: Duration,
}

/// What kept a core from its I/O.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StalledBy<'a> {
    /// One poll of a task.
    #[non_exhaustive]
    Task {
        /// Which task. It may have ended.
        id: TaskId,
        /// What it is called, if it was [spawned with a name](crate::task::spawn_named).
        name: Option<&'a str>,
    },
    /// One poll of the future that `block_on` runs.
    BlockOn,
    /// Jobs that other threads posted.
    Posted,
    /// The polls of one turn together, none of them for too long. A smaller
    /// [`Builder::budget`](super::Builder::budget) helps.
    #[non_exhaustive]
    Crowd {
        /// How many polls.
        polls: u32,
        /// The task whose poll took longest.
        longest: TaskId,
        /// What that task is called.
        name: Option<&'a str>,
    },
}

impl fmt::Display for Stall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            StalledBy::Task { id, name } => {
                f.write_str("a poll of task ")?;
                Called(*id, *name).fmt(f)?;
            }
            StalledBy::BlockOn => f.write_str("a poll of the future of block_on")?,
            StalledBy::Posted => f.write_str("jobs that other threads posted")?,
            StalledBy::Crowd { polls, longest, name } => {
                write!(f, "{polls} polls in one turn, the longest of task ")?;
                Called(*longest, *name).fmt(f)?;
            }
        }
        write!(f, " kept the core for {:?} (threshold {:?})", self.lasted, self.threshold)
    }
}

/// A task as people are told of it.
struct Called<'a>(TaskId, Option<&'a str>);

impl fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.1 {
            write!(f, "{name:?} ")?;
        }
        write!(f, "{:?}", self.0)
    }
}

/// Where reports go: to a function, or to standard error.
#[derive(Clone, Default)]
pub(crate) struct Report(Option<Arc<Callback>>);

type Callback = dyn Fn(&Stall<'_>) + Send + Sync;

impl Report {
    pub(crate) fn to(callback: impl Fn(&Stall<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    pub(crate) fn tell(&self, stall: &Stall<'_>) {
        match &self.0 {
            Some(callback) => callback(stall),
            None => {
                // Nobody can be told that standard error is closed.
                let _ = writeln!(std::io::stderr(), "annulus: {stall}");
            }
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Callback" } else { "StandardError" })
    }
}

#[cfg(test)]
mod tests;
