//! Wakers without memory: the data word of the `RawWaker` is the bits of a `TaskId`.
//!
//! Owns the vtable and the decision between waking on the own core (the run queue, no locked
//! instruction) and anywhere else (the inbox of the core). Clone and drop do nothing; two wakers
//! wake the same task exactly if they compare equal.

use std::mem::ManuallyDrop;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::current;
use crate::id::TaskId;
use crate::registry;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);

#[inline]
fn raw(task: TaskId) -> RawWaker {
    RawWaker::new(ptr::without_provenance(task.to_bits() as usize), &VTABLE)
}

unsafe fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    if let Some(task) = TaskId::from_bits(data.addr() as u64) {
        wake_current(task);
    }
}

unsafe fn drop(_data: *const ()) {}

/// A waker of this task that need not be dropped.
#[inline]
pub(crate) fn of(task: TaskId) -> ManuallyDrop<Waker> {
    // SAFETY: the functions of the vtable treat the data word as a number, on any thread; they
    // meet the contract of `RawWaker` for every value of it.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw(task)) })
}

/// A waker that wakes nothing and need not be dropped.
#[inline]
pub(crate) fn of_nobody() -> ManuallyDrop<Waker> {
    // SAFETY: as in `of`; zero names no task.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &VTABLE)) })
}

/// Wakes a task from wherever the caller is: through the run queue if its core is the one that is
/// [entered](crate::Executor::enter) on this thread, else through the core's inbox.
///
/// Waking a task that has ended does nothing.
#[inline]
pub fn wake_current(task: TaskId) {
    if !current::wake_if_current(task) {
        wake_remote(task);
    }
}

#[cold]
fn wake_remote(task: TaskId) {
    registry::slot(task.slot()).wake(task);
}

/// As `waker.clone()`, without the call of a function if it is a waker of this crate.
#[must_use]
#[inline]
pub fn clone_waker(waker: &Waker) -> Waker {
    if ptr::eq(waker.vtable(), &VTABLE) {
        // SAFETY: as in `of`: whatever the data word is, it is a number.
        unsafe { Waker::from_raw(RawWaker::new(waker.data(), &VTABLE)) }
    } else {
        waker.clone()
    }
}

/// Whether a waker wakes this task.
#[inline]
pub(crate) fn is_of(waker: &Waker, task: TaskId) -> bool {
    ptr::eq(waker.vtable(), &VTABLE) && waker.data().addr() as u64 == task.to_bits()
}

/// The task that a waker wakes, if the waker is one of this crate.
#[must_use]
#[inline]
pub fn task_of(waker: &Waker) -> Option<TaskId> {
    if ptr::eq(waker.vtable(), &VTABLE) {
        TaskId::from_bits(waker.data().addr() as u64)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
