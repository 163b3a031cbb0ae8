//! Starting a core, tuning it, and looking at it.
//!
//! Owns: [`Runtime`], its [`Builder`], the set-up [`Error`], and limits of the process. Does not
//! own: what a core does (`core`).

mod builder;
mod error;
pub(crate) mod stall;

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use annulus_ring::Capabilities;

pub use annulus_task::{CoreId, OnPanic};

pub use crate::core::limits::raise_descriptor_limit;
pub use crate::core::metrics::Metrics;
pub use builder::Builder;
pub use error::Error;
pub use stall::{Stall, StalledBy};

use crate::core::{Core, setup::Config, with_any};

/// One core: a ring and an executor, bound to the thread that made it.
///
/// ```
/// use annulus::runtime::Runtime;
///
/// let runtime = Runtime::new()?;
/// let answer = runtime.block_on(async { 42 });
/// assert_eq!(answer, 42);
/// # Ok::<(), annulus::Error>(())
/// ```
///
/// # Dropping
/// Tasks are dropped first, then everything in flight is cancelled and awaited, then the ring is
/// closed. Bytes that sockets had accepted are sent, within [`Builder::close_flush`]. If the kernel
/// does not give something back within [`Builder::shutdown_timeout`], the memory it may still write
/// to is leaked.
pub struct Runtime {
    core: Rc<Core>,
    /// A forked child has no part in it.
    process: u32,
    config: Config,
    ended: bool,
}

impl Runtime {
    /// A runtime with the defaults of [`Builder`].
    ///
    /// # Errors
    /// [`Error`], with cause and remedy, where io_uring is refused.
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Knobs for everything.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn from_config(config: Config) -> Result<Self, Error> {
        let core = Rc::new(Core::new(&config)?);
        Ok(Self { core, process: std::process::id(), config, ended: false })
    }

    /// Runs a future to its end, and the tasks that it and others spawn meanwhile.
    ///
    /// Tasks that are not finished then go on at the next `block_on`.
    ///
    /// # Panics
    /// If called inside a runtime: a nested `block_on` would stop the outer one.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert!(
            with_any(|_| ()).is_err(),
            "block_on inside an Annulus runtime would stop the tasks of the outer one: await the \
             future, or spawn it"
        );
        self.assert_own();
        let _entered = self.core.enter();
        self.core.block_on(future)
    }

    fn assert_own(&self) {
        assert_eq!(
            self.process,
            std::process::id(),
            "a forked child cannot use the runtime of its parent: make one of its own"
        );
    }

    /// Starts a task from outside; it runs during `block_on`.
    pub fn spawn<F>(&self, future: F) -> annulus_task::JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core.executor.spawn(future)
    }

    /// As [`spawn`](Self::spawn), with a name for people; see [`crate::task::spawn_named`].
    pub fn spawn_named<F>(
        &self,
        name: impl Into<annulus_task::Name>,
        future: F,
    ) -> annulus_task::JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core.executor.spawn_named(name, future)
    }

    /// Which core this is: the name by which other threads [spawn](crate::task::spawn_on) on it.
    pub fn core_id(&self) -> annulus_task::CoreId {
        self.core.id()
    }

    /// Counters and levels of this core.
    pub fn metrics(&self) -> Metrics {
        self.core.metrics()
    }

    /// Ends the runtime as dropping it does, and gives its last counters and levels. Levels above
    /// zero are what was still held: leases by the caller, requests that the kernel did not end in
    /// time.
    ///
    /// ```
    /// use annulus::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// runtime.spawn(std::future::pending::<()>());
    /// let last = runtime.shutdown();
    /// assert_eq!((last.tasks, last.ops_in_flight, last.descriptors), (0, 0, 0));
    /// # Ok::<(), annulus::Error>(())
    /// ```
    ///
    /// # Panics
    /// In a forked child: the runtime is its parent's.
    pub fn shutdown(mut self) -> Metrics {
        self.assert_own();
        self.ended = true;
        self.core.shut_down(self.config.shutdown_ns)
    }

    /// What the kernel granted to this runtime's ring.
    pub fn capabilities(&self) -> Capabilities {
        self.core.state.borrow().ring.capabilities().clone()
    }
}

/// Counters and levels of the current core.
///
/// # Errors
/// If no runtime runs on this thread.
pub fn metrics() -> std::io::Result<Metrics> {
    with_any(Core::metrics)
}

impl Core {
    pub(crate) fn metrics(&self) -> Metrics {
        let state = self.state.borrow();
        let mut metrics = state.counters;
        metrics.ops_in_flight = state.table.used();
        metrics.descriptors = state.records.used();
        if let Some(pool) = &state.pool {
            metrics.leases_out = pool.leases_out();
            metrics.buffers_published = pool.published();
        }
        metrics.tasks = self.executor.live_tasks();
        metrics.timers = state.wheel.len();
        metrics.fixed_files_free = state.fixed_free.len();
        metrics
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The ring's memory is not the child's: nothing of the core may be touched, nor
            // dropped.
            std::mem::forget(self.core.clone());
        } else if !self.ended {
            self.core.shut_down(self.config.shutdown_ns);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("core", &self.core.id()).finish_non_exhaustive()
    }
}
