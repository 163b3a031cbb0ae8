//! Work that blocks, on threads of its own.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::Result as Caught;

use annulus_sync::cross::{OneReceiver, oneshot};
use annulus_task::JoinError;

use crate::core::with_any;
use crate::core::workers::{Job, Refused, Ticket, Workers};

/// Runs `work` on a thread where it may block: for what has no operation of its own, such as
/// resolving a name with the system's resolver, or a long computation.
///
/// The threads start when they are needed and end when they are idle; how many there may be is
/// set by [`Builder::blocking_threads`](crate::runtime::Builder::blocking_threads). Cores of one
/// [`launch`](crate::runtime::launch) share them. The handle may be awaited on any core. Dropping
/// it lets the work go on.
///
/// If [`blocking_queue`](crate::runtime::Builder::blocking_queue) jobs wait already, this one stays
/// in the handle until there is room, and goes away with it.
///
/// # Errors
/// [`JoinError::Panic`] if the work panicked; [`JoinError::Aborted`] if the runtime ended before it
/// began, or if the system gives no thread at all.
///
/// # Cancel safety
/// Dropping the handle lets work that has begun, or that waits for a thread, go on, and its result
/// is lost. Work for which the queue had no room goes away with the handle.
///
/// # Panics
/// If no runtime runs on this thread.
///
/// ```
/// # #[annulus::main]
/// # async fn main() {
/// let sum = annulus::task::spawn_blocking(|| (1..=1_000_000_u64).sum::<u64>());
/// assert_eq!(sum.await.unwrap(), 500_000_500_000);
/// # }
/// ```
pub fn spawn_blocking<F, T>(work: F) -> BlockingHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let workers = match with_any(|core| core.blocking.clone()) {
        Ok(workers) => workers,
        Err(error) => panic!("{error}"),
    };
    let (sender, result) = oneshot();
    let job: Job = Box::new(move || {
        // A result that nobody wants any more is dropped here.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    // Closed: the job is gone, and with it the sender, which the receiver tells.
    let unsent = match workers.push(job, None) {
        Err(Refused::Full(job)) => Some(Mutex::new(job)),
        Ok(()) | Err(Refused::Closed) => None,
    };
    BlockingHandle { unsent, ticket: Ticket::default(), workers, result }
}

/// The result of [`spawn_blocking`], as a future for any core.
///
/// # Cancel safety
/// Polling it by reference takes nothing before it is ready.
#[must_use = "the work goes on without it, but its result is lost"]
pub struct BlockingHandle<T> {
    /// The job, while there is no room in the queue. Never locked: it is reached through `&mut`
    /// alone, and the lock makes the handle `Sync`.
    unsent: Option<Mutex<Job>>,
    /// Its place among those that wait for room.
    ticket: Ticket,
    workers: Arc<Workers>,
    result: OneReceiver<Caught<T>>,
}

impl<T> Future for BlockingHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(job) = this.unsent.take() {
            let job = job.into_inner().unwrap_or_else(PoisonError::into_inner);
            let waits = (&mut this.ticket, cx.waker().clone());
            if let Err(Refused::Full(job)) = this.workers.push(job, Some(waits)) {
                this.unsent = Some(Mutex::new(job));
                return Poll::Pending;
            }
            this.workers.leave_queue(&mut this.ticket);
        }
        Pin::new(&mut this.result).poll(cx).map(|received| match received {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(payload)) => Err(JoinError::panicked(payload)),
            Err(_closed) => Err(JoinError::Aborted),
        })
    }
}

impl<T> Drop for BlockingHandle<T> {
    fn drop(&mut self) {
        self.workers.leave_queue(&mut self.ticket);
    }
}

impl<T> fmt::Debug for BlockingHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle").field("queued", &self.unsent.is_none()).finish()
    }
}
