//! Join handles: the future of a task's result.
//!
//! Owns the public view of one cell. Dropping a handle detaches its task, which runs on; see the
//! table in the crate's documentation for every state.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::abort::AbortHandle;
use crate::bury::bury;
use crate::cell::{ABORT, ALIVE, CellRef, DONE, HANDLE, Head};
use crate::id::TaskId;
use crate::name::Name;
use crate::remote::RemoteJoinHandle;
use crate::waker::wake_current;

/// Why a task has no output.
pub enum JoinError {
    /// The task, or the destructor of its future, panicked.
    Panic(Payload),
    /// The task was aborted, or its executor shut down.
    Aborted,
}

/// What a task panicked with. It is taken out by [`JoinError::into_panic`].
pub struct Payload(Box<dyn Any + Send>);

// SAFETY: a shared reference only asks for the payload's type and, if it is text, reads the text;
// `str` and `String` may be read from any thread.
unsafe impl Sync for Payload {}

impl Payload {
    fn message(&self) -> Option<&str> {
        let literal = self.0.downcast_ref::<&'static str>().copied();
        literal.or_else(|| self.0.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().unwrap_or("..").fmt(f)
    }
}

impl JoinError {
    /// What [`catch_unwind`](std::panic::catch_unwind) caught, as the error of a join: for work
    /// that runs elsewhere and is joined like a task.
    #[must_use]
    pub fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self::Panic(Payload(payload))
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panic(_))
    }

    /// Whether the task was aborted.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        matches!(self, Self::Aborted)
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// If the task was aborted.
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self {
            Self::Panic(Payload(payload)) => payload,
            Self::Aborted => panic!("into_panic was called for a task that was aborted"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(payload) => f.debug_tuple("Panic").field(payload).finish(),
            Self::Aborted => f.write_str("Aborted"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("the task was aborted"),
            Self::Panic(payload) => match payload.message() {
                Some(message) => write!(f, "the task panicked: {message}"),
                None => f.write_str("the task panicked"),
            },
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}

/// The result of a spawned task, as a future; ready when the task's future has been dropped.
///
/// Dropping the handle detaches the task. The handle stays on the thread of its core; it may
/// outlive the executor.
///
/// # Cancel safety
/// Polling the handle takes nothing before it is ready: it can be polled again by another task.
///
/// # Panics
/// When polled after it was ready.
pub struct JoinHandle<T> {
    cell: NonNull<Head>,
    output: PhantomData<T>,
}

impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// - The cell is of a future with this output, has the flag `HANDLE`, and no other handle.
    pub(crate) unsafe fn new(cell: NonNull<Head>) -> Self {
        Self { cell, output: PhantomData }
    }

    pub(crate) fn cell(&self) -> CellRef {
        // SAFETY: a cell is not freed while it has a handle, and handles are not `Send`.
        unsafe { CellRef::new(self.cell) }
    }

    /// The cell, which keeps counting this handle: make another of it with [`new`](Self::new).
    pub(crate) fn into_cell(self) -> NonNull<Head> {
        let cell = self.cell;
        std::mem::forget(self);
        cell
    }

    /// The number that names the task.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.cell().head().id
    }

    /// What the task is called, if it was spawned with a name.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.cell().name()
    }

    /// A handle that only aborts, for any thread, as often as wanted.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.id())
    }

    /// Turns this handle into one for other threads. It costs one allocation; the result crosses
    /// over when the task has ended.
    ///
    /// # Errors
    /// Awaiting it gives [`JoinError`], if the task panicked or was aborted.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Panics
    /// If the handle was polled after it was ready.
    ///
    /// ```
    /// use annulus_task::{Executor, OnPanic};
    ///
    /// let executor = Executor::new(OnPanic::Contain)?;
    /// let task = executor.spawn(async { 6 * 7 }).remote();
    /// let joining = std::thread::spawn(move || drop(task)); // any thread may have it
    /// joining.join().expect("it does not panic");
    /// executor.run(1);
    /// # Ok::<(), annulus_task::RegistryFull>(())
    /// ```
    #[must_use = "dropping the handle detaches the task"]
    pub fn remote(self) -> RemoteJoinHandle<T>
    where
        T: Send + 'static,
    {
        RemoteJoinHandle::adopt(self)
    }

    /// Asks for the task to be dropped instead of polled. Await the handle to know that it is gone.
    ///
    /// A task that waits is dropped in the next turn; one that is running (it may abort itself) is
    /// dropped when it next returns `Pending`, and keeps its output if it returns `Ready`. Aborting
    /// a task that is done changes nothing.
    pub fn abort(&self) {
        let cell = self.cell();
        if !cell.head().has(DONE | ABORT) {
            cell.head().abort();
            wake_current(cell.head().id);
        }
    }

    /// Whether the task is done: its future was dropped, and its result waits here or was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cell().head().has(DONE)
    }

    /// Lets the task run on by itself; the same as dropping the handle.
    pub fn detach(self) {}

    pub(crate) fn take(&self) -> Result<T, JoinError> {
        let cell = self.cell();
        assert!(cell.head().has_output(), "a JoinHandle was polled after it was ready");
        let mut result = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the result is there, and the handle was made for a future with output `T`.
        unsafe { cell.take(result.as_mut_ptr().cast()) };
        // SAFETY: `take` wrote it.
        unsafe { result.assume_init() }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_finished() {
            self.cell().head().wait(cx.waker());
            // Cloning a foreign waker is user code that may have run the task to its end.
            if !self.is_finished() {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take())
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let head = self.cell;
        let cell = self.cell();
        let waiter = cell.head().forget_waiter();
        cell.head().remove(HANDLE);
        if !cell.head().has(ALIVE) {
            // SAFETY: the task is gone, and this was the only handle.
            unsafe { bury(head) };
        }
        drop(waiter);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("finished", &self.is_finished())
            .finish()
    }
}

#[cfg(test)]
mod tests;
