//! What the structures that threads share are built from: those of `std`, or loom's under
//! `cfg(loom)`, so that the models in `tests/loom.rs` explore the shipped code itself.
//!
//! A thread that panics inside a lock leaves consistent data behind, because no user code runs
//! there: poison is ignored.

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

use std::sync::PoisonError;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
