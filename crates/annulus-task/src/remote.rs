//! Join handles for other threads.
//!
//! ```text
//! core's own thread                                    any thread
//!   cell --waiter--> Shared { cell, state } <--------- RemoteJoinHandle
//!   the task ends: the waiter moves the result from the cell into `state` and wakes who waits
//! ```
//!
//! Owns the place where result and waker meet. Does not own the task. Invariants: `cell` is touched
//! by the core's thread only, and is set exactly while the cell's waiter is this place; the mutex
//! is held for moves only, never while user code runs.

use std::fmt;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::abort::AbortHandle;
use crate::cell::{Head, contain, forget};
use crate::id::TaskId;
use crate::join::{JoinError, JoinHandle};
use crate::sync::{Cell, Mutex, MutexGuard, thread};

/// Where the result of a task waits for another thread.
pub(crate) struct Shared<T> {
    cell: Cell<Option<NonNull<Head>>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// None until the task's core has started it.
    id: Option<TaskId>,
    stage: Stage<T>,
    /// Asked for before the task was started.
    aborted: bool,
    waker: Option<Waker>,
}

enum Stage<T> {
    Waiting,
    Done(Result<T, JoinError>),
    Taken,
    /// The handle was dropped: nobody wants the result.
    Detached,
}

// SAFETY: `cell` is touched by `adopt` and `wake` only, which run on the core's own thread: `adopt`
// has the `JoinHandle`, which is not `Send`, and the waker of `wake` never leaves the cell. The
// rest is `Send`, as `T` is.
unsafe impl<T: Send> Send for Shared<T> {}

// SAFETY: as above; the rest is behind a mutex.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new() -> Self {
        let state = State { id: None, stage: Stage::Waiting, aborted: false, waker: None };
        Self { cell: Cell::new(None), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, result: Result<T, JoinError>) {
        let mut state = self.state();
        let mut unwanted = None;
        match state.stage {
            Stage::Waiting => state.stage = Stage::Done(result),
            _ => unwanted = Some(result),
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        drop(unwanted);
    }
}

impl<T: Send + 'static> Shared<T> {
    /// The task exists: its result comes here.
    fn adopt(self: &Arc<Self>, handle: JoinHandle<T>) {
        if handle.is_finished() {
            self.deliver(handle.take());
            return;
        }
        let cell = handle.cell();
        self.state().id = Some(handle.id());
        self.cell.set(Some(handle.into_cell()));
        let replaced = cell.head().set_waiter(Waker::from(Arc::clone(self)));
        drop(replaced);
    }
}

/// The waiter of the cell: called by the core's thread when the task has ended.
impl<T: Send + 'static> Wake for Shared<T> {
    fn wake(self: Arc<Self>) {
        let Some(cell) = self.cell.take() else { return };
        // SAFETY: the cell came from `into_cell` of a handle with this output; it was taken out
        // here, so it becomes a handle again only once.
        let handle = unsafe { JoinHandle::<T>::new(cell) };
        let result = handle.take();
        drop(handle);
        self.deliver(result);
    }
}

/// A task that a core was asked to start. Dropping it instead says that it will not.
pub(crate) struct Promise<T>(Option<Arc<Shared<T>>>);

impl<T: Send + 'static> Promise<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self(Some(shared))
    }

    /// On the task's core: here it is.
    pub(crate) fn keep(mut self, task: JoinHandle<T>) {
        if let Some(shared) = self.0.take() {
            if shared.state().aborted {
                task.abort();
            }
            let abort = task.abort_handle();
            shared.adopt(task);
            // Asked for since the first look: whoever did saw no name to abort.
            if shared.state().aborted {
                abort.abort();
            }
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            forget(contain(false, || shared.deliver(Err(JoinError::Aborted))));
        }
    }
}

/// The result of a task of another core, as a future for any thread and any executor; ready when
/// the task's future has been dropped.
///
/// Made by [`JoinHandle::remote`] and [`spawn_on`](crate::spawn_on). It is a type of its own
/// because a result that crosses threads must be `Send`, and because this one is an allocation and
/// a mutex dearer than [`JoinHandle`], which never leaves its thread.
///
/// Dropping the handle detaches the task.
///
/// # Cancel safety
/// Polling the handle takes nothing before it is ready: it can be polled again by another task, on
/// another thread.
///
/// # Panics
/// When polled after it was ready.
///
/// ```
/// use annulus_task::{Executor, OnPanic};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let task = executor.spawn(async { 6 * 7 }).remote();
/// executor.run(1);
/// let answer = std::thread::spawn(move || {
///     let other = Executor::new(OnPanic::Contain).expect("there is room for two");
///     let joined = other.spawn(task);
///     other.run(1);
///     joined.is_finished()
/// });
/// assert!(answer.join().expect("it does not panic"));
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[must_use = "dropping the handle detaches the task"]
pub struct RemoteJoinHandle<T> {
    shared: Arc<Shared<T>>,
}

impl<T> RemoteJoinHandle<T> {
    pub(crate) fn of(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// The number that names the task; none as long as its core has not started it.
    #[must_use]
    pub fn id(&self) -> Option<TaskId> {
        self.shared.state().id
    }

    /// Asks for the task to be dropped instead of polled, as [`JoinHandle::abort`] does; await this
    /// handle to know that it is gone. One that was not started yet is dropped unpolled.
    pub fn abort(&self) {
        let mut state = self.shared.state();
        state.aborted = true;
        let id = state.id;
        drop(state);
        if let Some(id) = id {
            AbortHandle::new(id).abort();
        }
    }

    /// Whether the task is done: its future was dropped, and its result waits here or was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !matches!(self.shared.state().stage, Stage::Waiting)
    }

    /// Lets the task run on by itself; the same as dropping the handle.
    pub fn detach(self) {}
}

impl<T: Send + 'static> RemoteJoinHandle<T> {
    pub(crate) fn adopt(handle: JoinHandle<T>) -> Self {
        let shared = Arc::new(Shared::new());
        shared.adopt(handle);
        Self { shared }
    }
}

impl<T: Send + 'static> RemoteJoinHandle<T> {
    /// A handle that says `Aborted`: that of a task for a core that is gone.
    pub fn aborted() -> Self {
        let shared = Arc::new(Shared::new());
        drop(Promise::new(Arc::clone(&shared)));
        Self::of(shared)
    }

    /// Blocks this thread until the task is gone. For threads without a core: on a core it would
    /// stop the tasks.
    ///
    /// # Errors
    /// As awaiting it.
    pub fn join_blocking(mut self) -> Result<T, JoinError> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(joined) = Pin::new(&mut self).poll(&mut cx) {
                return joined;
            }
            thread::park();
        }
    }
}

/// Wakes a thread that is parked.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Unpin for RemoteJoinHandle<T> {}

impl<T> Future for RemoteJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = self.shared.state();
        if matches!(state.stage, Stage::Waiting) {
            let replaced = state.waker.replace(waker);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        let stage = std::mem::replace(&mut state.stage, Stage::Taken);
        drop(state);
        match stage {
            Stage::Done(result) => Poll::Ready(result),
            _ => panic!("a RemoteJoinHandle was polled after it was ready"),
        }
    }
}

impl<T> Drop for RemoteJoinHandle<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let stage = std::mem::replace(&mut state.stage, Stage::Detached);
        let waker = state.waker.take();
        drop(state);
        drop((stage, waker));
    }
}

impl<T> fmt::Debug for RemoteJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoinHandle")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}
