//! Starting a core, tuning it, and looking at it.
//!
//! Owns: [`Runtime`], its [`Builder`], the set-up [`Error`], [`launch`] for many cores, and limits
//! of the process. Does not own: what a core does (`core`).

mod asking;
mod builder;
mod cores;
pub(crate) mod default_kernel;
mod device_polling;
mod dump;
mod error;
mod handle;
mod launch;
mod local;
mod metrics;
mod quota;
pub(crate) mod stall;
mod stopping;
mod topology;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use annulus_ring::Capabilities;

pub use annulus_task::{CoreId, OnPanic, TaskState};

pub use crate::core::limits::raise_descriptor_limit;
pub use asking::{DumpError, Dumping, Stuck, StuckAt, dump};
pub use builder::Builder;
pub use cores::{Cores, available_cores};
pub use default_kernel::set_default_kernel;
pub use device_polling::DevicePolling;
pub use dump::{
    Armed, DescriptorDump, DescriptorKind, Dump, RequestDump, RequestState, Since, TaskDump,
    WaitsFor,
};
pub use error::Error;
pub use handle::CoreHandle;
pub use launch::{Launched, LaunchedCore, launch};
pub use local::CoreLocal;
pub use metrics::{Metrics, MetricsHandle};
pub use stall::{Stall, StalledBy};
pub use stopping::{Stopping, is_stopping, stopping};
pub use topology::{Cpu, Topology};

pub(crate) use cores::Machine;

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
/// to is leaked. Work of [`spawn_blocking`](crate::task::spawn_blocking) that has begun is awaited
/// as long; what has not begun is dropped.
///
/// Handles that live on (files, sockets, listeners, pipes) keep their descriptors, and close them
/// when they are dropped, on any thread; that may block as close(2) does. All else that is asked of
/// them is an error, and what they had received and nobody had read is gone.
///
/// # Forking
/// A child of fork(2) inherits nothing but memory: dropping the runtime there does nothing to the
/// parent's, and running it is an error. Every descriptor is closed by execve(2).
pub struct Runtime {
    /// None once it has ended.
    core: Option<Box<Core>>,
    config: Config,
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
        let core = Box::new(Core::new(&config)?);
        core.blocking.join();
        Ok(Self { core: Some(core), config })
    }

    fn core(&self) -> &Core {
        self.core.as_deref().expect("the core is there until the runtime ends")
    }

    /// The name of the core, with which any thread can give it work.
    ///
    /// ```
    /// use annulus::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle();
    /// let thread = std::thread::spawn(move || {
    ///     let answer = handle.spawn(|| async { 6 * 7 }).join_blocking();
    ///     handle.stop(None);
    ///     answer.unwrap()
    /// });
    /// runtime.block_on(annulus::runtime::stopping());
    /// assert_eq!(thread.join().unwrap(), 42);
    /// # Ok::<(), annulus::Error>(())
    /// ```
    pub fn handle(&self) -> CoreHandle {
        CoreHandle::new(self.core().id())
    }

    /// After a stop: runs tasks until all have ended or the deadline is over.
    pub(crate) fn finish_tasks(&self) {
        let core = self.core();
        let _entered = core.enter();
        core.finish_tasks();
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
        let core = self.core();
        core.assert_own();
        let _entered = core.enter();
        core.block_on(future)
    }

    /// Starts a task from outside; it runs during `block_on`.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::task::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Kernel
    /// None: a task is known to its core only.
    ///
    /// ```
    /// let runtime = annulus::runtime::Runtime::new()?;
    /// let task = runtime.spawn(async { 6 * 7 });
    /// assert_eq!(runtime.block_on(task).ok(), Some(42));
    /// # Ok::<(), annulus::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> annulus_task::JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core().executor.spawn(future)
    }

    /// As [`spawn`](Self::spawn), with a name for people; see [`crate::task::spawn_named`].
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::task::JoinError), if the task panicked or was
    /// aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Kernel
    /// None: a task is known to its core only.
    ///
    /// ```
    /// let runtime = annulus::runtime::Runtime::new()?;
    /// let task = runtime.spawn_named("answer", async { 6 * 7 });
    /// assert_eq!(runtime.block_on(task).ok(), Some(42));
    /// # Ok::<(), annulus::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_named<F>(
        &self,
        name: impl Into<annulus_task::Name>,
        future: F,
    ) -> annulus_task::JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core().executor.spawn_named(name, future)
    }

    /// Which core this is: the name by which other threads [spawn](crate::task::spawn_on) on it.
    pub fn core_id(&self) -> annulus_task::CoreId {
        self.core().id()
    }

    /// Counters and levels of this core.
    pub fn metrics(&self) -> Metrics {
        self.core().metrics()
    }

    /// What reads counters and levels of this core on any thread, also after its end.
    pub fn metrics_handle(&self) -> MetricsHandle {
        MetricsHandle::new(self.core().state.borrow().counters.clone())
    }

    /// Everything that the core has: its tasks with what they wait for, its requests and its
    /// descriptors. From inside of `block_on` it is [`dump`](self::dump()), from other threads
    /// [`CoreHandle::dump`].
    pub fn dump(&self) -> Dump {
        self.core().dump()
    }

    /// Ends the runtime as dropping it does, within [`Builder::shutdown_timeout`], and gives its
    /// last counters and levels. Levels above zero are what was still held: leases by the caller,
    /// requests that the kernel did not end in time.
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
    pub fn shutdown(mut self) -> Metrics {
        self.end(self.config.shutdown_ns).unwrap_or_default()
    }

    /// As [`shutdown`](Self::shutdown), with this deadline in the place of
    /// [`Builder::shutdown_timeout`].
    ///
    /// It is the kernel that has so long, not the tasks: they are dropped at once, and what they
    /// had in flight is cancelled. When `bound` is over, bytes that were still to be sent are given
    /// up and everything is cancelled once more; a quarter of `bound` later the memory of what the
    /// kernel still has is leaked, and [`ops_in_flight`](Metrics::ops_in_flight) says of how many
    /// requests. With [`Duration::ZERO`] that is all that has not ended already. Work of
    /// [`spawn_blocking`](crate::task::spawn_blocking) that has begun is then awaited for `bound`,
    /// too, and left to itself after that.
    ///
    /// Tasks that are to finish first are awaited in [`block_on`](Self::block_on). Those of
    /// [launched](launch()) cores can be given a bound of their own, by [`Launched::shutdown`].
    ///
    /// ```
    /// use annulus::runtime::Runtime;
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// runtime.spawn(async { annulus::time::sleep(Duration::from_secs(3600)).await });
    /// let last = runtime.shutdown_timeout(Duration::from_secs(1));
    /// assert_eq!(last.ops_in_flight, 0, "nothing is leaked");
    /// # Ok::<(), annulus::Error>(())
    /// ```
    pub fn shutdown_timeout(mut self, bound: Duration) -> Metrics {
        self.end(builder::nanos(bound)).unwrap_or_default()
    }

    fn end(&mut self, bound_ns: u64) -> Option<Metrics> {
        let core = self.core.take()?;
        if core.is_inherited() {
            // A forked child: everything in there, user code included, belongs to the parent.
            let last = core.metrics();
            std::mem::forget(core);
            return Some(last);
        }
        let last = core.shut_down(bound_ns);
        core.blocking.leave(Duration::from_nanos(bound_ns));
        Some(last)
    }

    /// What the kernel granted to this runtime's ring.
    pub fn capabilities(&self) -> Capabilities {
        self.core().state.borrow().ring.capabilities().clone()
    }
}

/// Counters and levels of the current core.
///
/// # Errors
/// If no runtime runs on this thread.
pub fn metrics() -> std::io::Result<Metrics> {
    with_any(Core::metrics)
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end(self.config.shutdown_ns);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("core", &self.core().id()).finish_non_exhaustive()
    }
}
