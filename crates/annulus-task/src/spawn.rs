//! Spawning: on an executor at hand, on the one that this thread has entered, on another core.
//!
//! Owns how a task comes to be. Does not own cells, headers or the inbox.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::bury::bury;
use crate::cell::{self, Label};
use crate::current::{entered, takes_tasks, with_entered};
use crate::id::{CoreId, TaskId};
use crate::inbox::NIL;
use crate::join::JoinHandle;
use crate::local::Local;
use crate::name::Name;
use crate::posts::Closed;
use crate::registry::post;
use crate::remote::{Promise, RemoteJoinHandle, Shared};
use crate::tally::At;

/// This thread has entered no executor, or one that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoExecutor;

impl fmt::Display for NoExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no executor runs on this thread: enter one first")
    }
}

impl std::error::Error for NoExecutor {}

/// Spawns a task on the executor that this thread has [entered](crate::Executor::enter).
///
/// # Errors
/// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was aborted.
///
/// # Cancel safety
/// Dropping the handle detaches the task, which runs on.
///
/// # Panics
/// If there is none. See [`try_spawn`].
///
/// ```
/// use annulus_task::{Executor, OnPanic, spawn};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let task = spawn(async { 6 * 7 });
/// executor.run(1);
/// assert!(task.is_finished());
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[track_caller]
pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    spawn_here(At::caller(), future)
}

fn spawn_here<F, L>(label: L, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    L: Label,
{
    if takes_tasks() {
        // Runs no user code, so the core need not be held meanwhile.
        let spawned = with_entered(|local| local.admit(label, future));
        return spawned.expect("this thread has just been seen to be in a core");
    }
    here().refuse(label, future)
}

/// As [`spawn`], with a name for people.
///
/// # Errors
/// Awaiting the handle gives [`JoinError`](crate::JoinError), if the task panicked or was aborted.
///
/// # Cancel safety
/// Dropping the handle detaches the task, which runs on.
///
/// # Panics
/// As [`spawn`].
///
/// ```
/// use annulus_task::{Executor, OnPanic, current_name, spawn_named};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let _entered = executor.enter();
/// let task = spawn_named("listener", async { current_name().expect("it has one").to_string() });
/// assert_eq!(task.name().as_deref(), Some("listener"));
/// executor.run(1);
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[track_caller]
pub fn spawn_named<F>(name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    spawn_here((At::caller(), name.into()), future)
}

/// As [`spawn`], for who may be outside of an executor.
///
/// # Errors
/// [`NoExecutor`]; the future is dropped.
#[track_caller]
pub fn try_spawn<F: Future + 'static>(future: F) -> Result<JoinHandle<F::Output>, NoExecutor> {
    Ok(entered().ok_or(NoExecutor)?.spawn(At::caller(), future))
}

/// Spawns a task on another core, from any thread. The future is made there, so it need not be
/// `Send`; a panic in `make` is one of the task.
///
/// # Errors
/// [`Closed`] if the core has shut down; `make` is dropped on the calling thread. If the core shuts
/// down later, before the task has started, the handle says `Aborted`.
///
/// ```
/// use annulus_task::{Executor, OnPanic, spawn_on};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let core = executor.id();
/// let asking = std::thread::spawn(move || spawn_on(core, || async { 6 * 7 }));
/// let task = asking.join().expect("it does not panic")?;
/// executor.drain_inbox();
/// executor.run(1);
/// assert!(task.is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn spawn_on<M, F>(core: CoreId, make: M) -> Result<RemoteJoinHandle<F::Output>, Closed>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let shared = Arc::new(Shared::new());
    let promise = Promise::new(Arc::clone(&shared));
    let handle = RemoteJoinHandle::of(shared);
    let at = At::caller();
    post(core, move || promise.keep(here().spawn(at, async move { make().await })))?;
    Ok(handle)
}

/// The core that this thread has entered.
pub(crate) fn here() -> Rc<Local> {
    match entered() {
        Some(local) => local,
        None => panic!("{NoExecutor}"),
    }
}

impl Local {
    /// A new task, ready to be polled; on a core that has shut down, one that is dropped already.
    pub(crate) fn spawn<F, L>(&self, label: L, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        L: Label,
    {
        if self.closed.get() { self.refuse(label, future) } else { self.admit(label, future) }
    }

    /// A new task of a core that takes tasks. Runs no user code.
    #[inline]
    fn admit<F, L>(&self, label: L, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        L: Label,
    {
        debug_assert!(!self.closed.get(), "a core that has shut down was given a task");
        let own = self.vacant();
        let cell = cell::allocate(own.id(self.core.slot()), self.policy, label, future);
        self.install(own, cell);
        // SAFETY: the cell was allocated for this future, and gets no other handle.
        unsafe { JoinHandle::new(cell) }
    }

    /// A task that was dropped before it could start.
    #[cold]
    pub(crate) fn refuse<F, L>(&self, label: L, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        L: Label,
    {
        let nobody = TaskId::new(self.core.slot(), NIL, 1);
        let cell = cell::allocate(nobody, self.policy, label, future);
        // SAFETY: the cell is new, and alive without a header.
        unsafe { bury(cell) };
        // SAFETY: the cell was allocated for this future, and gets no other handle.
        unsafe { JoinHandle::new(cell) }
    }
}
