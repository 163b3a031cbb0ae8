//! Which core this thread has entered.
//!
//! Owns the thread-local, and all that is done with the core it names. Invariant: it owns a strong
//! count of what it points to, so no order of dropping or forgetting guards makes it dangle.

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use crate::id::{CoreId, TaskId};
use crate::local::Local;
use crate::name::Name;
use crate::sync::local;

local! {
    static CURRENT: Cell<*const Local> = { Cell::new(ptr::null()) };
}

/// Makes `local`'s core the current one of this thread; returns what was, to be given to [`swap`]
/// again. Strong counts move along.
pub(crate) fn swap(local: Option<Rc<Local>>) -> Option<Rc<Local>> {
    let new = local.map_or(ptr::null(), Rc::into_raw);
    let old = CURRENT.with(|current| current.replace(new));
    // SAFETY: a pointer in `CURRENT` that is not null came from `Rc::into_raw` above, on this
    // thread, and its strong count moves out with it.
    (!old.is_null()).then(|| unsafe { Rc::from_raw(old) })
}

/// Whether this is the core that this thread has entered.
#[inline]
pub(crate) fn is(local: &Rc<Local>) -> bool {
    ptr::eq(CURRENT.with(Cell::get), Rc::as_ptr(local))
}

/// Wakes a task if its core is the current one of this thread; false if not.
#[inline]
pub(crate) fn wake_if_current(task: TaskId) -> bool {
    // SAFETY: `CURRENT` owns a strong count of what it points to, and no user code runs before the
    // reference is gone.
    let Some(local) = (unsafe { CURRENT.with(Cell::get).as_ref() }) else {
        return false;
    };
    let ours = local.owns(task);
    if ours {
        local.wake(task);
    }
    ours
}

/// Whether this thread has entered a core that takes tasks.
#[inline]
pub(crate) fn takes_tasks() -> bool {
    with_entered(|local| !local.closed.get()) == Some(true)
}

/// The owner's half of the core that this thread has entered, if that lives.
pub(crate) fn entered() -> Option<Rc<Local>> {
    let local = CURRENT.with(Cell::get);
    // SAFETY: as in `wake_if_current`.
    if !unsafe { local.as_ref() }?.is_open() {
        return None;
    }
    // SAFETY: a pointer in `CURRENT` that is not null came from `Rc::into_raw`, and is counted.
    unsafe { Rc::increment_strong_count(local) };
    // SAFETY: as above; the count that was just added is this one's.
    Some(unsafe { Rc::from_raw(local) })
}

/// Runs `f` on the owner's half of the core that this thread has entered. `f` runs no user code.
#[inline]
pub(crate) fn with_entered<R>(f: impl FnOnce(&Local) -> R) -> Option<R> {
    // SAFETY: as in `wake_if_current`.
    let local = unsafe { CURRENT.with(Cell::get).as_ref() }?;
    local.is_open().then(|| f(local))
}

/// Aborts a task if its core is the current one of this thread; false if not.
pub(crate) fn abort_if_current(task: TaskId) -> bool {
    with_entered(|local| {
        let ours = local.core.slot() == task.slot();
        if ours {
            local.abort(task);
        }
        ours
    })
    .unwrap_or(false)
}

/// What the [current task](current_task) is called, if it was spawned with a name.
#[must_use]
pub fn current_name() -> Option<Name> {
    with_entered(Local::current_name).flatten()
}

/// The core that this thread has [entered](crate::Executor::enter).
#[must_use]
pub fn current() -> Option<CoreId> {
    // SAFETY: as in `wake_if_current`.
    let local = unsafe { CURRENT.with(Cell::get).as_ref() }?;
    local.is_open().then_some(local.core)
}

/// The task that is being polled, or dropped by its executor, on this thread. None in posted jobs
/// and in the root future.
#[must_use]
pub fn current_task() -> Option<TaskId> {
    // SAFETY: as in `wake_if_current`.
    unsafe { CURRENT.with(Cell::get).as_ref() }?.current()
}
