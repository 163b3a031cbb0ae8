//! Tasks: futures that a core runs besides each other.
//!
//! Owns: [`spawn`], [`spawn_blocking`], the macros that wait for several futures at once
//! ([`select!`](crate::select), [`join!`](crate::join), [`try_join!`](crate::try_join)), and the
//! names of the task crate. Does not own: cells, wakers, the run queue (`annulus-task`).
//!
//! A task stays on the core that spawned it and need not be `Send`; it costs one allocation.
//!
//! | to have | use |
//! |---|---|
//! | one more task | [`spawn`], [`spawn_named`] |
//! | its result on this core, on another thread | [`JoinHandle`], [`RemoteJoinHandle`] |
//! | many tasks, their results as they come | [`JoinSet`] |
//! | tasks that end when the future that made them ends | [`scope`] |
//! | futures within one task | [`join!`](crate::join), [`try_join!`](crate::try_join), [`select!`](crate::select) |
//! | a value that goes with a task | [`task_local!`] |
//! | to let others run | [`yield_now`] |

mod blocking;
#[doc(hidden)]
pub mod branch;
mod join;
mod select;

use std::future::Future;
use std::panic::Location;

pub use annulus_task::{
    AbortHandle, Closed, JoinError, JoinHandle, JoinSet, LocalKey, Name, NotSet, Payload,
    RemoteJoinHandle, Scope, TaskId, TaskLocalFuture, coop, current as current_core, current_name,
    current_task, scope, spawn_on, task_local, yield_now,
};
pub use blocking::{BlockingHandle, spawn_blocking};

use crate::core::{Core, with_any};

/// Starts a task on the current core.
///
/// The task runs whether or not the handle is awaited; dropping the handle detaches it. A panic in
/// it ends only this task and comes out of the handle as [`JoinError`].
///
/// # Errors
/// Awaiting the handle gives [`JoinError`], if the task panicked or was aborted.
///
/// # Cancel safety
/// Dropping the handle detaches the task, which runs on.
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
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let at = Location::caller();
    here(|core| core.executor.spawn_at(at, future))
}

/// As [`spawn`], with a name for people: in the handle's `Debug`, in [`current_name`], and in the
/// report of a [stall](crate::runtime::Builder::stall_threshold).
///
/// # Errors
/// Awaiting the handle gives [`JoinError`], if the task panicked or was aborted.
///
/// # Cancel safety
/// Dropping the handle detaches the task, which runs on.
///
/// # Panics
/// If no runtime runs on this thread.
///
/// ```
/// # #[annulus::main]
/// # async fn main() {
/// use annulus::task::{current_name, spawn_named};
///
/// let task = spawn_named("greeter", async { format!("I am {}", current_name().unwrap()) });
/// assert_eq!(task.await.unwrap(), "I am greeter");
/// # }
/// ```
#[track_caller]
pub fn spawn_named<F>(name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let at = Location::caller();
    here(|core| core.executor.spawn_named_at(at, name, future))
}

fn here<R>(spawn: impl FnOnce(&Core) -> R) -> R {
    match with_any(spawn) {
        Ok(handle) => handle,
        Err(error) => panic!("{error}"),
    }
}
