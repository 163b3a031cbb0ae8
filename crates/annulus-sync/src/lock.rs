//! What the structures that threads share are built from: those of `std`, or those of a model
//! checker, so that the models explore the shipped code itself: `tests/loom.rs` every interleaving
//! of a few threads, `tests/shuttle.rs` random ones of many.
//!
//! A thread that panics inside a lock leaves consistent data behind, because no user code runs
//! there: poison is ignored.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{Arc, Mutex, MutexGuard},
    thread,
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Arc, Mutex, MutexGuard},
    thread,
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use std::sync::PoisonError;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
