//! Listeners that cannot take anything for a while, and who is told of it.
//!
//! Owns: the news, and when a spell of failures begins and ends. Does not own: which errors are
//! outlasted (`accept`), nor how long each rest is (`core::listener`, `backoff`).
//!
//! ```text
//!   works ── failed ──> resting ── failed ──> resting ── taken ──> works
//!              Rests               Rests               GoesOn
//! ```
//!
//! Invariants: a spell that has begun is counted in `resting` until it is over or its listener is
//! gone; while nothing fails this costs one comparison for each connection; nothing is allocated.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::time::Instant;

/// News of a listener that cannot take connections or datagrams, told to
/// [`Config::on_trouble`](super::Config::on_trouble).
///
/// ```
/// use annulus::serve::{Config, Trouble};
///
/// let config = Config::new().on_trouble(|trouble| match trouble {
///     // Once for each spell; that it lasts is in the metrics.
///     Trouble::Rests { in_a_row: 1, .. } | Trouble::GoesOn { .. } => eprintln!("{trouble}"),
///     _ => {}
/// });
/// # drop(config);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Trouble<'a> {
    /// It has failed, rests, and will try again by itself. Connections wait in the kernel
    /// meanwhile, as many as [`Config::backlog`](super::Config::backlog) lets; datagrams wait in
    /// the buffer of the socket.
    #[non_exhaustive]
    Rests {
        /// The core, by its index.
        core: usize,
        /// The listener, by its index in [`Handle::bound`](super::Handle::bound).
        listener: usize,
        /// Of accept(2): `EMFILE` (this process may open no more), `ENFILE` (nor may any), `ENOMEM`
        /// or `ENOBUFS`. Of recvmsg(2): any that comes again and again.
        error: &'a io::Error,
        /// How often it has failed since it last worked: 1 at first.
        in_a_row: u64,
        /// How long it rests.
        rest: Duration,
    },
    /// It has taken a connection or a datagram again.
    #[non_exhaustive]
    GoesOn {
        /// The core, by its index.
        core: usize,
        /// The listener, by its index in [`Handle::bound`](super::Handle::bound).
        listener: usize,
        /// How often it had failed.
        failures: u64,
        /// How long ago it failed first.
        after: Duration,
    },
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rests { core, listener, error, in_a_row, rest } => write!(
                f,
                "listener {listener} on core {core} rests for {rest:?}: {error} ({in_a_row} in a \
                 row)"
            ),
            Self::GoesOn { core, listener, failures, after } => write!(
                f,
                "listener {listener} on core {core} goes on after {after:?} and {failures} failures"
            ),
        }
    }
}

/// What is called with news.
#[derive(Clone)]
pub(super) struct TroubleHook(pub(super) Arc<dyn Fn(&Trouble<'_>) + Send + Sync>);

impl fmt::Debug for TroubleHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TroubleHook")
    }
}

/// The failures in a row of one listener of a core.
pub(super) struct Spell {
    shared: Arc<Shared>,
    core: usize,
    listener: usize,
    failures: Cell<u64>,
    since: Cell<Option<Instant>>,
}

impl Spell {
    /// Of a listener that has not failed.
    pub(super) fn new(shared: Arc<Shared>, core: usize, listener: usize) -> Self {
        Self { shared, core, listener, failures: Cell::new(0), since: Cell::new(None) }
    }

    /// It has failed, and rests for so long.
    #[cold]
    pub(super) fn rests(&self, error: &io::Error, rest: Duration) {
        let in_a_row = self.failures.get().saturating_add(1);
        self.failures.set(in_a_row);
        if in_a_row == 1 {
            self.since.set(Some(Instant::now()));
            self.shared.cores[self.core].resting.add(1);
        }
        let Self { core, listener, .. } = *self;
        self.tell(&Trouble::Rests { core, listener, error, in_a_row, rest });
    }

    /// It works.
    #[inline]
    pub(super) fn works(&self) {
        if self.failures.get() > 0 {
            self.goes_on();
        }
    }

    #[cold]
    fn goes_on(&self) {
        let failures = self.over();
        let after = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let Self { core, listener, .. } = *self;
        self.tell(&Trouble::GoesOn { core, listener, failures, after });
    }

    /// Ends the spell, if there is one, and says how long it was.
    fn over(&self) -> u64 {
        let failures = self.failures.take();
        if failures > 0 {
            self.shared.cores[self.core].resting.subtract(1);
        }
        failures
    }

    fn tell(&self, trouble: &Trouble<'_>) {
        if let Some(hook) = &self.shared.config.on_trouble {
            self.shared.contain(self.core, || (hook.0)(trouble));
        }
    }
}

impl Drop for Spell {
    fn drop(&mut self) {
        self.over();
    }
}

#[cfg(test)]
mod tests;
