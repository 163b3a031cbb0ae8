//! The static registry of cores: 1024 slots, each with what other threads may touch of the core
//! that holds it. Nothing here is ever freed, so there is no reference count on the way of a wake.
//!
//! Owns claims and epochs of slots, and the remote halves of *wake* and *post*. Does not own the
//! owner's half, which is `Local`.
//!
//! Invariants: the epoch of a slot is odd while it is claimed. A slot has one owner thread at a
//! time; the mutex around the free list hands the headers from one owner to the next.

use std::fmt;
use std::ops::Range;

#[cfg(not(any(loom, shuttle)))]
use crate::fork::ForkLock;
use crate::handshake::Handshake;
use crate::id::{CoreId, SLOT_LIMIT, TaskId};
use crate::inbox::{Inbox, NIL};
use crate::pages::Pages;
use crate::posts::{Closed, Job, Posts};
use crate::sync::{AtomicU64, MutexGuard, Ordering, constructor, each, global};

/// There are 1024 executors in this process already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryFull;

impl fmt::Display for RegistryFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this process has {SLOT_LIMIT} cores already; drop one before making another")
    }
}

impl std::error::Error for RegistryFull {}

/// What threads write that do not own the core; away from the lines that the owner reads.
#[repr(align(128))]
pub(crate) struct Door {
    pub(crate) inbox: Inbox,
    pub(crate) posts: Posts,
    pub(crate) handshake: Handshake,
}

/// One core's place in the registry.
#[repr(align(128))]
pub(crate) struct Slot {
    pub(crate) pages: Pages,
    epoch: AtomicU64,
    pub(crate) door: Door,
}

impl Slot {
    constructor! {
        fn new() -> Self {
            Self {
                pages: Pages::new(),
                epoch: AtomicU64::new(0),
                door: Door {
                    inbox: Inbox::new(),
                    posts: Posts::new(),
                    handshake: Handshake::new(),
                },
            }
        }
    }

    /// Under the lock of the free list: odd while the slot is claimed.
    fn epoch(&self) -> u64 {
        // ORDERING: Relaxed; written under the same lock.
        self.epoch.load(Ordering::Relaxed)
    }

    /// Before the first claim in a process that has inherited the slot: what threads of an ancestor
    /// had sent, or were about to send when it forked, was meant for tasks that have ended. A flag
    /// that says that somebody sends a header would keep its next task from being woken.
    fn forget_senders(&self) {
        // Unlinks them all; each is forgotten below.
        self.door.inbox.take(|index| self.pages.find(index).expect("it was sent").remote());
        self.pages.iter().for_each(|header| header.remote().forget_sender());
    }

    /// Any thread: wakes a task of this slot.
    pub(crate) fn wake(&self, task: TaskId) {
        // A name of any bits may be woken; this index is no task's, and ends the list of the inbox.
        if task.index() == NIL {
            return;
        }
        let Some(header) = self.pages.find(task.index()) else {
            return;
        };
        let remote = header.remote();
        if remote.generation() == task.generation() && self.door.inbox.send(task.index(), remote) {
            self.door.handshake.knock();
        }
    }
}

/// How many slots there are: few in a model, which makes all of them in each of its executions.
const COUNT: usize = if cfg!(loom) {
    4
} else if cfg!(shuttle) {
    8
} else {
    SLOT_LIMIT as usize
};

global! {
    static SLOTS: [Slot; COUNT] = each!(Slot::new(); COUNT);
}

/// Slots that nobody has. Each process counts them for itself: a child of fork(2) starts from what
/// the slots say of themselves, and never takes one whose core its parent had.
struct Free {
    /// Claimed and released in this process.
    released: Vec<u32>,
    /// Not looked at yet.
    others: Range<u32>,
}

#[cfg(not(any(loom, shuttle)))]
static FREE: ForkLock<Free> = ForkLock::new(Free::new);

#[cfg(any(loom, shuttle))]
global! {
    static FREE: crate::sync::Mutex<Free> = crate::sync::Mutex::new(Free::new());
}

#[cfg(not(any(loom, shuttle)))]
fn free() -> MutexGuard<'static, Free> {
    FREE.lock()
}

#[cfg(any(loom, shuttle))]
fn free() -> MutexGuard<'static, Free> {
    FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Free {
    fn new() -> Self {
        Self { released: Vec::new(), others: 0..COUNT as u32 }
    }

    /// The slot released last, since its pages are there; else one that never was claimed; else
    /// one that an ancestor of this process released, as if it were new, unless a thread of the
    /// ancestor was ringing there: it would ring for ever.
    fn take(&mut self) -> Option<u32> {
        let was_never_claimed = |number: &u32| slot(*number).epoch() == 0;
        let was_left = |number: &u32| {
            let slot = slot(*number);
            slot.epoch() & 1 == 0 && !slot.door.handshake.is_ringing()
        };
        let released = self.released.pop();
        let other = || self.others.find(was_never_claimed);
        let left = || {
            let number = (0..COUNT as u32).find(was_left)?;
            slot(number).forget_senders();
            Some(number)
        };
        released.or_else(other).or_else(left)
    }
}

/// The slot with this number; all numbers below 1024 exist.
#[inline]
pub(crate) fn slot(number: u32) -> &'static Slot {
    &SLOTS[number as usize % COUNT]
}

/// Claims a slot.
pub(crate) fn claim() -> Result<CoreId, RegistryFull> {
    let mut free = free();
    let number = free.take().ok_or(RegistryFull)?;
    let slot = slot(number);
    slot.door.posts.open();
    // ORDERING: Release, pairs with the load in `post`: the posts are open.
    let epoch = slot.epoch.fetch_add(1, Ordering::Release) + 1;
    Ok(CoreId::new(number, epoch))
}

/// Gives a slot back, whose tasks are gone and whose posts are closed.
pub(crate) fn release(core: CoreId) {
    let mut free = free();
    end_epoch(core);
    free.released.push(core.slot());
}

/// As [`release`], of a slot that an ancestor of this process claimed: threads of that may have
/// been sending, so it is one of those that are looked at before they are taken.
pub(crate) fn leave(core: CoreId) {
    let _free = free();
    end_epoch(core);
}

/// Under the lock of the free list.
fn end_epoch(core: CoreId) {
    // ORDERING: Relaxed, pairs with the load in `post`; the closed posts refuse late comers.
    let epoch = slot(core.slot()).epoch.fetch_add(1, Ordering::Relaxed);
    debug_assert_eq!(epoch, core.epoch(), "a slot was released by a core that did not hold it");
}

/// Whether a slot in this epoch is that of a core. A name of any bits may be asked about, also one
/// of an epoch in which nobody had the slot.
#[inline]
fn is_of(core: CoreId, epoch: u64) -> bool {
    epoch == core.epoch() && epoch & 1 == 1
}

/// Hands `job` to a core, from any thread. It runs on the core's own thread, in its next
/// [`drain_inbox`](crate::Executor::drain_inbox), outside of any task.
///
/// Jobs of one thread run in the order in which they were posted. A job that was accepted and not
/// run when the core shuts down is dropped there.
///
/// # Errors
/// [`Closed`] if the core has shut down; the job is dropped on the calling thread.
pub fn post(core: CoreId, job: impl FnOnce() + Send + 'static) -> Result<(), Closed> {
    let slot = slot(core.slot());
    // ORDERING: Acquire, pairs with the increment in `claim`. An epoch that ends right after this
    // load is caught by the closed posts, or by the epoch in the job.
    if !is_of(core, slot.epoch.load(Ordering::Acquire)) {
        return Err(Closed);
    }
    slot.door.posts.push(Job::new(core.epoch(), job)).map_err(|_job| Closed)?;
    slot.door.handshake.knock();
    Ok(())
}

/// Whether wakes or jobs of other threads wait for a core; false for one that has ended. They may
/// have been received by the time the caller looks at the answer.
#[must_use]
pub fn inbox_waits(core: CoreId) -> bool {
    let slot = slot(core.slot());
    // ORDERING: Relaxed, pairs with the increments in `claim` and `release`; an answer about the
    // core that follows is as stale as any.
    let lives = is_of(core, slot.epoch.load(Ordering::Relaxed));
    lives && !(slot.door.inbox.is_empty() && slot.door.posts.is_empty())
}

/// Hands `job` to whichever core holds the slot now; it is dropped if none does.
pub(crate) fn post_to_slot(number: u32, job: impl FnOnce() + Send + 'static) {
    // ORDERING: Relaxed, pairs with the increments in `claim` and `release`; `post` looks again,
    // and the job is one that does nothing in a core that it was not meant for.
    let epoch = slot(number).epoch.load(Ordering::Relaxed);
    if epoch & 1 == 1 {
        let _ = post(CoreId::new(number, epoch), job);
    }
}

#[cfg(test)]
mod tests;
