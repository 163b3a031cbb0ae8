//! The name of a core, with which any thread can give it work.
//!
//! Owns: starting tasks on another core and joining them. Does not own: the way there (the inbox of
//! the task crate). Invariant: the task's future is made on its own core and never leaves it; only
//! what makes it, and its output, cross threads.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use annulus_sync::Closed;
use annulus_sync::cross::{OneReceiver, OneSender, oneshot};
use annulus_task::{CoreId, JoinError};

use super::stopping::deadline_in;
use crate::core::{current_id, errors, with_any, with_core};

/// A core, by name: `Copy`, `Send` and `Sync`, valid as long as anybody likes. What is asked of a
/// core that has ended ends as if it had been aborted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CoreHandle {
    id: CoreId,
}

impl CoreHandle {
    pub(crate) fn new(id: CoreId) -> Self {
        Self { id }
    }

    /// The core that runs the caller.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn current() -> io::Result<Self> {
        current_id().map(Self::new).ok_or_else(errors::no_runtime)
    }

    /// The name that errors and traces show.
    pub fn id(&self) -> CoreId {
        self.id
    }

    /// Whether the caller runs on this core.
    pub fn is_current(&self) -> bool {
        current_id() == Some(self.id)
    }

    /// Starts a task on this core, from any thread. `start` is sent there and makes the future,
    /// which therefore need not be `Send`.
    ///
    /// Dropping the handle detaches the task.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use annulus::runtime::{Cores, launch};
    ///
    /// let launched = launch(Cores::Count(2), |core| async move {
    ///     if core.index() > 0 {
    ///         return annulus::runtime::stopping().await;
    ///     }
    ///     let other = core.peers()[1];
    ///     let answer = other.spawn(|| async {
    ///         let stays = Rc::new(6); // not `Send`, and need not be
    ///         *stays * 7
    ///     });
    ///     assert_eq!(answer.await.unwrap(), 42);
    ///     other.stop(None);
    /// })?;
    /// launched.join().into_iter().for_each(|result| result.unwrap());
    /// # Ok::<(), annulus::Error>(())
    /// ```
    pub fn spawn<S, F>(&self, start: S) -> RemoteJoin<F::Output>
    where
        S: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (sender, result) = oneshot();
        let (abort, aborted) = oneshot();
        let id = self.id;
        // Refused: the core has ended, and the dropped sender tells so.
        let _ = annulus_task::post(id, move || {
            let _ = with_core(id, |core| {
                let task = core.executor.spawn(async move { start().await });
                core.executor.spawn(watch(task, aborted, sender)).detach();
            });
        });
        RemoteJoin { result, abort: Some(abort) }
    }

    /// Asks the core to end: its tasks see [`stopping`](super::stopping). With a bound, a
    /// [launched](super::launch) core drops what has not ended by then. A later call can only bring
    /// the end nearer.
    pub fn stop(&self, bound: Option<Duration>) {
        let deadline = bound.map(deadline_in);
        let id = self.id;
        if self.is_current() {
            let _ = with_any(|core| core.stop(deadline));
        } else {
            // A core that has ended has nothing to stop.
            let _ = annulus_task::post(id, move || {
                let _ = with_core(id, |core| core.stop(deadline));
            });
        }
    }
}

/// Stands by a task for somebody on another core.
async fn watch<T: Send>(
    task: annulus_task::JoinHandle<T>,
    aborted: OneReceiver<()>,
    result: OneSender<Result<T, JoinError>>,
) {
    let (mut task, mut aborted) = (pin!(task), pin!(aborted));
    let mut listening = true;
    let joined = std::future::poll_fn(|cx| {
        if listening {
            if let Poll::Ready(asked) = aborted.as_mut().poll(cx) {
                listening = false;
                if asked != Err(Closed) {
                    task.abort();
                }
            }
        }
        task.as_mut().poll(cx)
    })
    .await;
    let _ = result.send(joined);
}

/// The result of a task on another core, as a future for any thread.
///
/// Dropping it detaches the task.
///
/// # Cancel safety
/// Polling it by reference takes nothing before it is ready.
#[must_use = "dropping it detaches the task"]
pub struct RemoteJoin<T> {
    result: OneReceiver<Result<T, JoinError>>,
    abort: Option<OneSender<()>>,
}

impl<T> RemoteJoin<T> {
    /// Asks for the task to be dropped. Await the handle to know that it is gone; a task that ended
    /// before keeps its output.
    pub fn abort(&mut self) {
        if let Some(abort) = self.abort.take() {
            let _ = abort.send(());
        }
    }

    /// Blocks this thread until the task has ended. For threads without a core: on a core it would
    /// stop the tasks.
    ///
    /// # Errors
    /// As awaiting it.
    pub fn join_blocking(self) -> Result<T, JoinError> {
        self.result.recv_blocking().unwrap_or(Err(JoinError::Aborted))
    }
}

impl<T> Future for RemoteJoin<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = Pin::new(&mut self.result).poll(cx);
        result.map(|received| received.unwrap_or(Err(JoinError::Aborted)))
    }
}

impl<T> fmt::Debug for RemoteJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoin").finish_non_exhaustive()
    }
}
