//! Back-pressure: a credit for each request, from before it is pushed until it has been reaped.
//!
//! There are as many credits as the completion queue has entries. A credit is returned after the
//! queue's head has passed the completion, so whoever has a credit has a place in the queue, and
//! the queue cannot overflow.
//!
//! Threads that need room and find none sleep, and are woken by whoever makes some. Sleeping is
//! announced:
//!
//! ```text
//! who needs room                      who makes room
//!   announce                            return credits, or slots
//!   fence(SeqCst)                       fence(SeqCst)
//!   look for room; none: sleep          somebody announced? then wake
//! ```
//!
//! The two fences are totally ordered. If the first is ours we are seen and woken; if it is theirs
//! we see the room. The lock is held for announcing, looking and falling asleep, and by whoever
//! wakes; nobody takes it for a credit.
//!
//! Owns: [`Room`]. Does not own: the slots of the submission queue, of which one may also be in
//! want, nor the queue. Invariant: credits in all hands plus those here are the queue's entries.

use core::{sync::atomic::Ordering, time::Duration};
use std::{sync::PoisonError, time::Instant};

use super::sync::{AtomicU32, Condvar, Mutex, MutexGuard, fence};

/// The credits that nobody has, and the threads that wait for some.
pub struct Room {
    credits: AtomicU32,
    sleepers: AtomicU32,
    lock: Mutex<()>,
    made: Condvar,
}

impl Room {
    /// Room for so many requests.
    #[must_use]
    pub fn new(credits: u32) -> Self {
        Self {
            credits: AtomicU32::new(credits),
            sleepers: AtomicU32::new(0),
            lock: Mutex::new(()),
            made: Condvar::new(),
        }
    }

    /// Credits that nobody has.
    #[must_use]
    pub fn credits(&self) -> u32 {
        // ORDERING: relaxed; a number that is old when it is returned.
        self.credits.load(Ordering::Relaxed)
    }

    /// Takes at most `most` credits; 0 if there is none.
    #[inline]
    pub fn take(&self, most: u32) -> u32 {
        self.take_at_least(1, most)
    }

    /// Takes at most `most` credits; 0 if there are fewer than `least`, which is not 0. Never a
    /// part of `least`, for which somebody who waits might look in vain.
    #[inline]
    pub fn take_at_least(&self, least: u32, most: u32) -> u32 {
        // ORDERING: relaxed; the exchange below reads it again.
        let mut credits = self.credits.load(Ordering::Relaxed);
        while credits >= least {
            let taken = credits.min(most);
            // ORDERING: acquire pairs with the release of `give`: the completion queue's head has
            // moved before our request is pushed. Relaxed if it fails.
            match self.credits.compare_exchange_weak(
                credits,
                credits - taken,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return taken,
                Err(now) => credits = now,
            }
        }
        0
    }

    /// Returns credits, and wakes who waits for them.
    #[inline]
    pub fn give(&self, credits: u32) {
        self.put_back(credits);
        self.made();
    }

    /// Returns credits, and wakes nobody: for who waits itself, or says [`made`](Self::made) later.
    /// Says how many there are now.
    #[inline]
    pub fn put_back(&self, credits: u32) -> u32 {
        // ORDERING: release pairs with the acquire of `take`.
        self.credits.fetch_add(credits, Ordering::Release) + credits
    }

    /// Wakes who waits for room, after some was made.
    #[inline]
    pub fn made(&self) {
        // ORDERING: full fence between making room and the load of the announcement; pairs with the
        // one in `wait`.
        fence(Ordering::SeqCst);
        // ORDERING: relaxed, ordered by the fence.
        if self.sleepers.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        drop(self.locked());
        self.made.notify_all();
    }

    /// Sleeps until `look` finds room, or the time is over. `look` is called at least once.
    pub fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut guard = self.locked();
        // ORDERING: relaxed, ordered by the fence.
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        let found = loop {
            // ORDERING: full fence between the announcement and looking; pairs with the one in
            // `made`.
            fence(Ordering::SeqCst);
            if let Some(found) = look() {
                break Some(found);
            }
            guard = match deadline {
                None => self.made.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break None;
                    }
                    self.made.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        // ORDERING: relaxed; a sleeper too many is woken in vain.
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        drop(guard);
        found
    }

    /// The lock guards nothing but falling asleep, so a panic under it leaves nothing broken.
    fn locked(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
