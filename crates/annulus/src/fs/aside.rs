//! Calls without an operation of the ring, on threads where they may block.
//!
//! Owns: how such a call is started and what its loss is called. Does not own: the threads
//! ([`spawn_blocking`]).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::{current_id, errors};
use crate::task::{BlockingHandle, JoinError, spawn_blocking};

/// Starts work on such a thread.
///
/// # Errors
/// No runtime runs on this thread.
pub(super) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<BlockingHandle<T>> {
    match current_id() {
        Some(_) => Ok(spawn_blocking(work)),
        None => Err(errors::no_runtime()),
    }
}

/// Does work on such a thread.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn(work)?.await.map_err(|error| lost(&error))?
}

/// Work that did not come to its end.
pub(super) fn lost(error: &JoinError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Tells work on another thread that nobody waits for it any more. The last to know is the work
/// itself: it looks between two steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

/// Asks the work to stop when it is dropped.
pub(super) struct StopOnDrop(Stop);

impl Stop {
    /// For the future that the work is for.
    pub(super) fn on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }

    pub(super) fn ask(&self) {
        // ORDERING: nothing is published by it; it pairs with the load in `check`, which may see it
        // late.
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// `Interrupted`, which nobody sees, once it was asked.
    pub(super) fn check(&self) -> io::Result<()> {
        // ORDERING: pairs with the store in `ask`.
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.ask();
    }
}
