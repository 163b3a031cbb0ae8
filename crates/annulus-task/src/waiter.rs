//! Who waits for something that happens on the core itself, remembered so that waking is cheap.
//!
//! A [`Waker`] names its task, because it may be kept for ever and be woken from anywhere; each
//! wake looks the name up and compares generations. What waits inside of a core's own structures
//! needs neither: a task that leaves a note while it is being polled is remembered by its place.
//!
//! Owns [`Waiter`] and how it is made and woken. Does not own the places, nor the run queue.
//!
//! Invariants: a place is one of the executor that made the note, and never goes away. If its task
//! has ended meanwhile, the note wakes whoever lives there now: a wake for nothing, as a future may
//! meet one at any time.

use std::fmt;
use std::ptr;
use std::task::Waker;

use crate::executor::{Executor, RunQueue};
use crate::id::TaskId;
use crate::local::Local;
use crate::pages::Own;
use crate::waker::{clone_waker, task_of};

/// Who waits for one thing: nobody, a task of one executor, or a waker of anybody.
///
/// Made by [`Executor::waiter`], woken by [`RunQueue::wake_waiter`] of the same executor. It stays
/// on the thread that made it.
#[derive(Default)]
pub struct Waiter(Who);

enum Who {
    Task(Option<Own>),
    Other(Waker),
}

// The waker's own niche tells the two apart.
const _: () = assert!(size_of::<Waiter>() == size_of::<Waker>());

impl Default for Who {
    fn default() -> Self {
        Self::Task(None)
    }
}

impl Waiter {
    /// Whether nobody waits.
    #[must_use]
    #[inline]
    pub fn is_none(&self) -> bool {
        matches!(self.0, Who::Task(None))
    }

    /// Whoever wakes by this waker. Runs the code of a foreign one.
    #[inline]
    pub(crate) fn of(local: &Local, waker: &Waker) -> Self {
        Self(match local.polled_by(waker) {
            Some(own) => Who::Task(Some(own)),
            None => Who::Other(clone_waker(waker)),
        })
    }

    /// Whether `waker` wakes the same. Runs no code of a user.
    #[inline]
    pub(crate) fn is(&self, local: &Local, waker: &Waker) -> bool {
        match &self.0 {
            Who::Task(own) => own.is_some() && *own == local.polled_by(waker),
            Who::Other(known) => known.will_wake(waker),
        }
    }

    /// Wakes a task; gives the waker of anybody else back. Nobody waits any more.
    #[inline]
    pub(crate) fn wake(&mut self, local: &Local) -> Option<Waker> {
        if let Who::Task(own) = &mut self.0 {
            if let Some(own) = own.take() {
                local.wake_own(own);
            }
            return None;
        }
        match std::mem::take(&mut self.0) {
            Who::Other(waker) => Some(waker),
            Who::Task(_) => None,
        }
    }

    pub(crate) fn task(&self, local: &Local) -> Option<TaskId> {
        match &self.0 {
            Who::Task(own) => own.map(|own| own.id(local.core.slot())),
            Who::Other(waker) => task_of(waker),
        }
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Who::Task(None) => "Waiter(nobody)",
            Who::Task(Some(_)) => "Waiter(a task)",
            Who::Other(_) => "Waiter(a waker)",
        })
    }
}

impl Executor {
    /// Who is to be woken by `waker`, as this core remembers it: the task that is being polled, if
    /// the waker is the one that it is polled with. Another waker is cloned, which may be user
    /// code.
    #[must_use]
    #[inline]
    pub fn waiter(&self, waker: &Waker) -> Waiter {
        Waiter::of(self.local(), waker)
    }

    /// As [`waiter`](Self::waiter), but remembers nobody if the waker is another one: clones
    /// nothing.
    #[must_use]
    #[inline]
    pub fn polled_by(&self, waker: &Waker) -> Waiter {
        Waiter(Who::Task(self.local().polled_by(waker)))
    }

    /// Whether `waiter`, which this executor made, is woken by `waker` as far as can be seen. Runs
    /// no code of a user.
    #[must_use]
    #[inline]
    pub fn is_waiter(&self, waiter: &Waiter, waker: &Waker) -> bool {
        waiter.is(self.local(), waker)
    }
}

impl RunQueue {
    /// Wakes a task. If somebody else waits, gives the waker back: waking it may be user code.
    /// Nobody waits any more.
    ///
    /// # Safety
    /// - `waiter` was made by the executor whose queue this is, and that has not ended.
    #[inline]
    pub unsafe fn wake_waiter(&self, waiter: &mut Waiter) -> Option<Waker> {
        waiter.wake(self.local())
    }

    /// The task that waits, if it is one of this crate.
    ///
    /// # Safety
    /// As for [`wake_waiter`](Self::wake_waiter): the header of a task is read, which belongs to
    /// another thread once the slot of a core that has ended is claimed there.
    #[must_use]
    pub unsafe fn task_of(&self, waiter: &Waiter) -> Option<TaskId> {
        waiter.task(self.local())
    }
}

impl Local {
    /// The task that is being polled, if this is the very waker that it is polled with.
    ///
    /// That waker lies in the frame that polls, and its address is forgotten before the frame ends,
    /// so nothing else can have it.
    #[inline]
    pub(crate) fn polled_by(&self, waker: &Waker) -> Option<Own> {
        if ptr::eq(waker, self.poll_waker.get()) { self.polling.get() } else { None }
    }

    /// The root is polled with this waker until the guard is dropped.
    #[inline]
    pub(crate) fn begin_root<'a>(&'a self, waker: &'a Waker) -> PolledRoot<'a> {
        self.poll_waker.set(waker);
        self.polling.set(Some(self.root_header()));
        PolledRoot(self)
    }

    /// Wakes a task of this executor, which has not ended, by its place.
    #[inline]
    pub(crate) fn wake_own(&self, own: Own) {
        debug_assert!(self.is_open(), "a task of a core that has ended was woken by its place");
        self.ready_or_root(own);
    }
}

/// The future of `block_on` is being polled.
pub(crate) struct PolledRoot<'a>(&'a Local);

impl Drop for PolledRoot<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.polling.set(None);
        self.0.poll_waker.set(ptr::null());
    }
}
