//! Values of the whole process that a forked child never waits for.
//!
//! fork(2) copies a lock as it is, and not the thread that holds it: in the child nobody would ever
//! give it back. That of a `std::sync::OnceLock` whose value is being made is one of these.
//!
//! Owns: whose value it is. Does not own: what a child is to find there, which its users say by
//! which of the two they take. Invariants: nobody waits while a value is made; a value is never
//! freed, so a reference to it stays valid.
//!
//! | in a child | finds |
//! |---|---|
//! | [`ForkLock`] | a lock, and a value, of its own |
//! | [`ForkOnce`] | the value of its parent, if that was made |

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock for a static, whose value is made anew in each process.
///
/// A child takes it at once, whoever held it in the parent when that forked. Processes are told
/// apart by their numbers: a child that has that of its parent, because it is the first of a new
/// namespace of processes as its parent was, shares its value. So does one that got the number of
/// an ancestor which is gone, if nobody between the two has taken the lock. What the value of the
/// parent owns is not dropped there: descriptors in it stay open as the child's copies.
///
/// ```
/// use annulus_task::ForkLock;
///
/// static SEEN: ForkLock<Vec<u32>> = ForkLock::new(Vec::new);
///
/// SEEN.lock().push(7);
/// assert_eq!(*SEEN.lock(), [7]);
/// ```
#[derive(Debug)]
pub struct ForkLock<T: 'static> {
    current: AtomicPtr<OfProcess<T>>,
    make: fn() -> T,
}

struct OfProcess<T> {
    process: u32,
    value: Mutex<T>,
}

impl<T: Send> ForkLock<T> {
    /// `make` is called when the lock is first taken in a process. Threads that meet there may call
    /// it several times; one of the values stays.
    #[must_use]
    pub const fn new(make: fn() -> T) -> Self {
        Self { current: AtomicPtr::new(ptr::null_mut()), make }
    }

    /// Locks the value of this process. One whose holder panicked is as it was left.
    pub fn lock(&'static self) -> MutexGuard<'static, T> {
        let process = std::process::id();
        loop {
            // ORDERING: Acquire, pairs with the Release in `put`: the value is seen whole.
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: null, or a value that is never freed.
            if let Some(own) = unsafe { current.as_ref() }.filter(|own| own.process == process) {
                return own.value.lock().unwrap_or_else(PoisonError::into_inner);
            }
            put(&self.current, current, OfProcess { process, value: Mutex::new((self.make)()) });
        }
    }
}

/// A value for a static, made when it is first asked for, which children have as well.
///
/// What a child inherits must be as good there as in the parent: it is for what does not change.
///
/// ```
/// use annulus_task::ForkOnce;
///
/// static NAME: ForkOnce<String> = ForkOnce::new(|| "annulus".to_owned());
///
/// assert_eq!(NAME.get(), "annulus");
/// ```
#[derive(Debug)]
pub struct ForkOnce<T: 'static> {
    current: AtomicPtr<T>,
    make: fn() -> T,
}

impl<T: Send + Sync> ForkOnce<T> {
    /// `make` is called by the first [`get`](Self::get). Threads that meet there may call it
    /// several times; one of the values stays.
    #[must_use]
    pub const fn new(make: fn() -> T) -> Self {
        Self { current: AtomicPtr::new(ptr::null_mut()), make }
    }

    /// The value.
    #[inline]
    pub fn get(&'static self) -> &'static T {
        loop {
            // ORDERING: Acquire, pairs with the Release in `put`: the value is seen whole.
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: null, or a value that is never freed.
            if let Some(value) = unsafe { current.as_ref() } {
                return value;
            }
            put(&self.current, current, (self.make)());
        }
    }
}

/// Puts a value in the place of what was seen there, unless somebody else has put another one.
#[cold]
fn put<V>(place: &AtomicPtr<V>, seen: *mut V, value: V) {
    let made = Box::into_raw(Box::new(value));
    // ORDERING: Release publishes the value; a failure only looks again.
    let (set, unset) = (Ordering::Release, Ordering::Relaxed);
    if place.compare_exchange(seen, made, set, unset).is_err() {
        // SAFETY: made just now, and nobody else has seen it.
        drop(unsafe { Box::from_raw(made) });
    }
}

#[cfg(test)]
pub(crate) mod tests;
