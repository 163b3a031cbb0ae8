//! Task cells, packed wakers, a run queue and join handles for a thread-per-core executor.
//!
//! This crate knows no I/O. A runtime owns an [`Executor`] and gives it turns; what it does between
//! them (a ring, epoll, a simulation, nothing) is its own affair.
//!
//! ```
//! use annulus_task::{Executor, OnPanic};
//!
//! let executor = Executor::new(OnPanic::Contain)?;
//! let _entered = executor.enter();
//!
//! let answer = executor.spawn(async { 6 * 7 });
//! let joined = executor.spawn(async move { answer.await.expect("it does not panic") });
//! while executor.live_tasks() > 0 {
//!     executor.drain_inbox();
//!     executor.run(64);
//! }
//! assert!(joined.is_finished());
//! # Ok::<(), annulus_task::RegistryFull>(())
//! ```
//!
//! # The life of a task
//!
//! ```text
//!                 2 woken                      4 Pending, woken meanwhile
//!            +-------------+               +-------------+
//!            |             v               v             |
//!  spawn --> | 1         READY --- 3 ---> RUNNING -------+
//!            |             |               |   |
//!         WAITING <--------|---------------+   | 6 Ready, panic, or aborted meanwhile
//!            |             |   5 Pending       v
//!            +------ 7 ----+--------------> DONE --- 8 ---> freed
//! ```
//!
//! 1. `spawn` allocates the cell, takes a header and queues the task.
//! 2. A wake queues it: on the own core through the run queue, elsewhere through the inbox.
//! 3. `run` takes it from the queue and polls it.
//! 4. It was woken while it ran, so it goes behind those that are ready.
//! 5. It waits for a wake.
//! 6. The future is dropped, the result stored, the header freed, who joins it is woken.
//! 7. Aborted (in the next `run`) or shut down: the future is dropped unpolled, then as 6.
//! 8. The cell is freed when the result was taken or the handle dropped, whichever is last.
//!
//! | in state | handle dropped | `abort` | executor shut down or dropped |
//! |---|---|---|---|
//! | ready | detached, runs on | queued; dropped in its place of the queue, joins see `Aborted` | future dropped, `Aborted` |
//! | waiting | detached, runs on | queued, then dropped in the next `run`, `Aborted` | future dropped, `Aborted` |
//! | running (by itself) | detached, runs on | `Pending` becomes `Aborted`, `Ready` stays | spared until the poll returns, then as `abort` |
//! | future being dropped | detached | nothing | nothing |
//! | done, result there | result dropped, cell freed | nothing | nothing; the handle still has the result |
//! | done, result taken | cell freed | nothing | nothing |
//!
//! # Besides one task at a time
//!
//! | | |
//! |---|---|
//! | [`spawn`], [`spawn_named`], [`spawn_on`] | on the core that this thread has entered; with a name; on another core |
//! | [`JoinHandle::remote`], [`JoinHandle::abort_handle`] | handles for other threads |
//! | [`JoinSet`] | results in the order in which tasks end; nothing is polled to find them |
//! | [`scope`] | children end before the scope does, also if it is dropped |
//! | [`task_local!`] | values that go with a task; not inherited |
//! | [`yield_now`], [`coop`] | behind everything that is ready; a budget for each poll |
//!
//! # What makes it sound
//!
//! * A [`TaskId`] is a number: (slot of the core, index, generation). Wakers carry it instead of a
//!   pointer, so cloning and dropping them does nothing, on any thread, at any time.
//! * Headers live in pages that are never freed; a stale wake meets another generation.
//! * Futures, results and handles are touched by the core's thread only, without atomics.
//! * No internal borrow is held while user code runs: a poll, a destructor or a foreign waker may
//!   spawn, wake, abort, post, shut down, or make and drop other executors. What it throws is
//!   contained; see [`OnPanic`].
//! * Nothing recurses: wakes queue, aborts queue, and results that hold the handles of results that
//!   hold handles are dropped in a loop.
//!
//! With `panic = "abort"` nothing can be contained, and the first panic ends the process.

mod abort;
mod bury;
mod cell;
pub mod coop;
mod current;
mod executor;
mod fork;
#[cfg(not(loom))]
mod handshake;
#[cfg(loom)]
pub mod handshake;
mod id;
#[cfg(not(loom))]
mod inbox;
#[cfg(loom)]
pub mod inbox;
mod join;
mod join_set;
mod local;
mod member;
mod memory;
mod name;
mod pages;
#[cfg(not(loom))]
mod posts;
#[cfg(loom)]
pub mod posts;
mod queue;
mod registry;
mod remote;
mod scope;
mod spawn;
mod sync;
mod tally;
mod task_local;
mod view;
mod waiter;
mod waker;

pub use crate::{
    abort::AbortHandle,
    coop::yield_now,
    current::{current, current_name, current_task},
    executor::{Asleep, Entered, Executor, OnPanic, RunQueue},
    fork::{ForkLock, ForkOnce},
    handshake::Bell,
    id::{CoreId, TaskId},
    join::{JoinError, JoinHandle, Payload},
    join_set::JoinSet,
    name::Name,
    posts::Closed,
    registry::{RegistryFull, inbox_waits, post},
    remote::RemoteJoinHandle,
    scope::{Scope, scope},
    spawn::{NoExecutor, spawn, spawn_named, spawn_on, try_spawn},
    tally::Tally,
    task_local::{LocalKey, LocalPlace, NotSet, TaskLocalFuture},
    view::{TaskState, TaskView},
    waiter::Waiter,
    waker::{clone_waker, task_of, wake_current},
};
