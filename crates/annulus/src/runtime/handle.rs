//! The name of a core, with which any thread can give it work.
//!
//! Owns: asking a core for things. Does not own: the way there and the joining (the task crate).
//! Invariant: the task's future is made on its own core and never leaves it; only what makes it,
//! and its output, cross threads.

use std::future::Future;
use std::io;
use std::time::Duration;

use annulus_task::{CoreId, RemoteJoinHandle, spawn_on};

use super::stopping::deadline_in;
use super::{Metrics, MetricsHandle};
use crate::core::metrics::board_of;
use crate::core::{Core, current_id, errors, with_any, with_core};

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

    /// Counters and levels of the core, from any thread; the last ones if it has ended. `None` if
    /// it ended so long ago that hundreds of others have ended since: who wants to keep them holds
    /// the [`metrics_handle`](Self::metrics_handle).
    ///
    /// ```
    /// use annulus::runtime::{Cores, launch};
    ///
    /// let launched = launch(Cores::Count(2), |_core| async {
    ///     annulus::spawn(async {}).await
    /// })?;
    /// let cores = launched.cores().to_vec();
    /// launched.join().into_iter().for_each(|result| result.unwrap().unwrap());
    /// for core in cores {
    ///     assert_eq!(core.metrics().unwrap().tasks_spawned, 1);
    /// }
    /// # Ok::<(), annulus::Error>(())
    /// ```
    pub fn metrics(&self) -> Option<Metrics> {
        match with_core(self.id, Core::metrics) {
            Ok(metrics) => Some(metrics),
            Err(_elsewhere) => board_of(self.id).map(|board| board.snapshot()),
        }
    }

    /// What reads these numbers again and again, without looking the core up each time.
    pub fn metrics_handle(&self) -> Option<MetricsHandle> {
        board_of(self.id).map(MetricsHandle::new)
    }

    /// Starts a task on this core, from any thread. `start` is sent there and makes the future,
    /// which therefore need not be `Send`.
    ///
    /// Dropping the handle detaches the task.
    ///
    /// # Errors
    /// Awaiting the handle gives [`JoinError`](crate::task::JoinError), if the task panicked or was
    /// aborted, or if the core had ended.
    ///
    /// # Cancel safety
    /// Dropping the handle detaches the task, which runs on.
    ///
    /// # Kernel
    /// None on the core itself. From another one, the bell of a core that sleeps: a wake of its
    /// futex, 6.7, or a write to its eventfd.
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
    #[track_caller]
    pub fn spawn<S, F>(&self, start: S) -> RemoteJoinHandle<F::Output>
    where
        S: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        spawn_on(self.id, start).unwrap_or_else(|_closed| RemoteJoinHandle::aborted())
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
