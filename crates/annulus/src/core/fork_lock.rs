//! A lock of the whole process that a forked child does not inherit.
//!
//! fork(2) copies a lock as it is, and not the thread that holds it: in the child nobody would ever
//! give it back. Here the child finds a lock, and a value, of its own.
//!
//! Owns: whose value it is. Invariant: a value is never freed, so a reference to it stays valid; a
//! process makes one, and a child one more.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock, and what makes its value anew in each process.
pub(crate) struct ForkLock<T: 'static> {
    current: AtomicPtr<OfProcess<T>>,
    make: fn() -> T,
}

struct OfProcess<T> {
    process: u32,
    value: Mutex<T>,
}

impl<T> ForkLock<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        Self { current: AtomicPtr::new(std::ptr::null_mut()), make }
    }

    /// Locks the value of this process. One whose holder panicked is as it was left.
    pub(crate) fn lock(&'static self) -> MutexGuard<'static, T> {
        let process = std::process::id();
        loop {
            // ORDERING: Acquire, pairs with the Release below: the value is seen whole.
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: null, or a value that is never freed.
            if let Some(own) = unsafe { current.as_ref() }.filter(|own| own.process == process) {
                return own.value.lock().unwrap_or_else(PoisonError::into_inner);
            }
            let made = Box::new(OfProcess { process, value: Mutex::new((self.make)()) });
            let made = Box::into_raw(made);
            // ORDERING: Release publishes the value; a failure only begins anew.
            let (set, unset) = (Ordering::Release, Ordering::Relaxed);
            if self.current.compare_exchange(current, made, set, unset).is_err() {
                // SAFETY: made just now, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
            }
        }
    }
}

#[cfg(test)]
mod tests;
