//! Atomics, the fence, the lock and the condition variable: the standard ones, or loom's.
//!
//! Owns: the choice. Does not own: any use of them. Invariant: what threads share beside the
//! kernel's own words comes from here, so that the models run the shipped code.

#[cfg(not(loom))]
pub(super) use core::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(not(loom))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub(super) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, fence},
};
