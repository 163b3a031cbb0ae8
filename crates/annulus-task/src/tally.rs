//! What a core counts of its tasks, and which of them runs: written by the core's thread, read by
//! any.
//!
//! Owns the numbers, in memory that outlives the core for as long as somebody holds it. Does not
//! own anything that the executor decides by: a reader sees each number as it was a moment ago.
//!
//! Invariant: one thread writes, with a plain load and a plain store, so no write is a locked
//! instruction; the others only load.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::cell::VTable;
use crate::id::TaskId;
use crate::name::Name;

/// Numbers about the tasks of one core, for any thread, also after the core has ended. Made by the
/// [`Executor`](crate::Executor); see [`Executor::tally`](crate::Executor::tally).
///
/// Each number is exact by itself and never goes back; two of them may be of different moments.
///
/// ```
/// use annulus_task::{Executor, OnPanic};
///
/// let executor = Executor::new(OnPanic::Contain)?;
/// let tally = executor.tally();
/// executor.spawn(async {});
/// executor.run(64);
/// assert_eq!((tally.spawned(), tally.ended(), tally.polls(), tally.rounds()), (1, 1, 1, 1));
/// drop(executor);
/// assert_eq!(tally.spawned(), 1);
/// # Ok::<(), annulus_task::RegistryFull>(())
/// ```
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Tally {
    rounds: Count,
    polls: Count,
    spawned: Count,
    ended: Count,
    remote_wakes: Count,
    posts: Count,
    current: AtomicU64,
    /// Of the task that runs, to say what it is when its core cannot.
    vtable: AtomicPtr<VTable>,
    /// Of the task that runs, if somebody watches the polls.
    name: Mutex<Option<Name>>,
    in_post: AtomicBool,
}

/// A number that one thread writes.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    #[inline]
    fn get(&self) -> u64 {
        // ORDERING: Relaxed, pairs with the store in `add`; nothing else is published by it.
        self.0.load(Ordering::Relaxed)
    }

    /// Owner.
    #[inline]
    fn add(&self, more: u64) {
        // ORDERING: Relaxed, pairs with the load in `get`. No other thread writes.
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }
}

impl Tally {
    /// How often [`Executor::run`](crate::Executor::run) was called.
    #[must_use]
    #[inline]
    pub fn rounds(&self) -> u64 {
        self.rounds.get()
    }

    /// Polls of tasks that are over.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// Tasks that were spawned.
    #[must_use]
    pub fn spawned(&self) -> u64 {
        self.spawned.get()
    }

    /// Tasks that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended.get()
    }

    /// Wakes that came from other threads and were received. Several for one task before it was
    /// polled are one.
    #[must_use]
    pub fn remote_wakes(&self) -> u64 {
        self.remote_wakes.get()
    }

    /// Jobs that other threads [posted](crate::post) and that were taken.
    #[must_use]
    pub fn posts(&self) -> u64 {
        self.posts.get()
    }

    /// The task that is being polled or dropped now.
    #[must_use]
    #[inline]
    pub fn current(&self) -> Option<TaskId> {
        // ORDERING: Relaxed, pairs with the store in `set_current`; only the number counts.
        TaskId::from_bits(self.current.load(Ordering::Relaxed))
    }

    /// The type of the future that was polled last, or is being polled now.
    #[must_use]
    pub fn current_kind(&self) -> Option<&'static str> {
        // ORDERING: Relaxed, pairs with the store in `polling`: what it points to is static.
        let vtable = self.vtable.load(Ordering::Relaxed);
        // SAFETY: a pointer that is not null came from a `&'static VTable`.
        let vtable: &'static VTable = unsafe { vtable.as_ref() }?;
        Some((vtable.kind)())
    }

    /// What the task that is being polled is called, if it has a name and is polled by
    /// [`run_watched`](crate::Executor::run_watched).
    #[must_use]
    pub fn current_name(&self) -> Option<Name> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a [posted](crate::post) job runs.
    #[must_use]
    pub fn in_post(&self) -> bool {
        // ORDERING: Relaxed, pairs with the stores in `begin_post` and `end_post`.
        self.in_post.load(Ordering::Relaxed)
    }

    /// Owner: a round begins. Gives its number, the first being 1.
    #[inline]
    pub(crate) fn begin_round(&self) -> u64 {
        self.rounds.add(1);
        self.rounds()
    }

    /// Owner: so many tasks were polled.
    #[inline]
    pub(crate) fn add_polls(&self, polls: u32) {
        self.polls.add(u64::from(polls));
    }

    /// Owner: a task came to be.
    #[inline]
    pub(crate) fn add_spawned(&self) {
        self.spawned.add(1);
    }

    /// Owner: a task has ended.
    #[inline]
    pub(crate) fn add_ended(&self) {
        self.ended.add(1);
    }

    /// Owner: a wake was received.
    pub(crate) fn add_remote_wake(&self) {
        self.remote_wakes.add(1);
    }

    /// Owner: a job was taken and begins.
    pub(crate) fn begin_post(&self) {
        self.posts.add(1);
        // ORDERING: Relaxed, pairs with the load in `in_post`.
        self.in_post.store(true, Ordering::Relaxed);
    }

    /// Owner: it is over.
    pub(crate) fn end_post(&self) {
        // ORDERING: Relaxed, pairs with the load in `in_post`.
        self.in_post.store(false, Ordering::Relaxed);
    }

    /// Owner: what is polled now is called so.
    pub(crate) fn set_name(&self, name: Option<Name>) {
        let replaced = {
            let mut current = self.name.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, name)
        };
        drop(replaced);
    }

    /// Owner: this task is being polled.
    #[inline]
    pub(crate) fn polling(&self, task: TaskId, vtable: &'static VTable) {
        // ORDERING: Relaxed, pairs with the load in `current_kind`.
        self.vtable.store(std::ptr::from_ref(vtable).cast_mut(), Ordering::Relaxed);
        self.set_current(Some(task));
    }

    /// Owner: this is the current task.
    #[inline]
    pub(crate) fn set_current(&self, task: Option<TaskId>) {
        // ORDERING: Relaxed, pairs with the load in `current`.
        self.current.store(task.map_or(0, TaskId::to_bits), Ordering::Relaxed);
    }
}

/// Where a task was spawned, as part of its label.
#[derive(Clone, Copy)]
pub(crate) struct At(pub(crate) &'static Location<'static>);

impl At {
    /// Where the caller of the calling function is.
    #[track_caller]
    #[inline]
    pub(crate) fn caller() -> Self {
        Self(Location::caller())
    }
}
