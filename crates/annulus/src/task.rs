//! Tasks: futures that a core runs besides each other.
//!
//! Owns: [`spawn`] and the names of the task crate. A task stays on the core that spawned it and
//! need not be `Send`; it costs one allocation.

use std::future::Future;

pub use annulus_task::{JoinError, JoinHandle, Payload, TaskId};

use crate::core::with_any;

/// Starts a task on the current core.
///
/// The task runs whether or not the handle is awaited; dropping the handle detaches it. A panic in
/// it ends only this task and comes out of the handle as [`JoinError`].
///
/// # Panics
/// If no runtime runs on this thread.
///
/// ```
/// # #[annulus::main]
/// # async fn main() {
/// let task = annulus::spawn(async { 6 * 7 });
/// assert_eq!(task.await.unwrap(), 42);
/// # }
/// ```
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match with_any(|core| core.executor.spawn(future)) {
        Ok(handle) => handle,
        Err(error) => panic!("{error}"),
    }
}
