//! The word of a bell that is a futex: what it says, and when it is taken back.
//!
//! ```text
//!   core:            word 0? then asleep ........ awake: word = 0 ... looks at its inbox
//!   another thread:  sends, word = 1, wakes who waits for the word
//! ```
//!
//! Owns: the orders of its accesses, and what the end of a wait means. Does not own: the waits and
//! the wake, which are the kernel's; the models under `models` have another in its place.
//!
//! Invariants: the core alone takes a ring back, and only between the end of a wait and the look at
//! its inbox that precedes the next one, so what it overwrites was sent before that look; a ring
//! that comes late ends one more wait, and no more.

use std::sync::atomic::{AtomicU32, Ordering};

use annulus_ring::abi::Errno;

/// What a word is made of: the atomic of `std`, of which the kernel knows the address, or that of a
/// model.
pub(crate) trait Atomic {
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
}

impl Atomic for AtomicU32 {
    #[inline]
    fn load(&self, order: Ordering) -> u32 {
        Self::load(self, order)
    }

    #[inline]
    fn store(&self, value: u32, order: Ordering) {
        Self::store(self, value, order);
    }
}

/// 0 while nobody has rung.
pub(crate) const SILENT: u32 = 0;
const RUNG: u32 = 1;

/// The word of a futex.
#[derive(Debug)]
pub(crate) struct Word<A>(A);

/// How a wait for a word has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// It was rung, now or before the wait.
    Rung,
    /// By a signal.
    Interrupted,
    /// It never began.
    Refused,
}

impl<A: Atomic> Word<A> {
    /// A word that says [`SILENT`].
    pub(crate) fn new(silent: A) -> Self {
        Self(silent)
    }

    /// For the kernel, which waits for it.
    pub(crate) fn atomic(&self) -> &A {
        &self.0
    }

    /// Any thread: ends the wait for the word. `wake` is FUTEX_WAKE.
    pub(crate) fn ring(&self, wake: impl FnOnce(&A)) {
        // ORDERING: Release, pairs with the kernel's read under the lock of the futex: a wait that
        // begins later sees it and ends at once.
        self.0.store(RUNG, Ordering::Release);
        wake(&self.0);
    }

    /// Owner: waits by itself, with nothing in the ring. `wait` is FUTEX_WAIT while the word says
    /// [`SILENT`].
    pub(crate) fn sleep(&self, wait: impl FnOnce(&A) -> Result<(), Errno>) -> Ended {
        let ended = match wait(&self.0) {
            Ok(()) | Err(Errno(libc::EAGAIN)) => Ended::Rung,
            Err(Errno(libc::EINTR)) => Ended::Interrupted,
            Err(_) => return Ended::Refused,
        };
        self.hush();
        ended
    }

    /// Owner: the request that waits for the word has ended. True if it was rung, which any success
    /// says: a ring that began before the wait may come to its wake later. A wait that finds the
    /// word rung already says EAGAIN.
    pub(crate) fn has_ended(&self, res: i32) -> bool {
        // ORDERING: Relaxed; that the request has ended orders it behind the ring that it saw.
        let rung = res >= 0 || self.0.load(Ordering::Relaxed) != SILENT;
        self.hush();
        rung
    }

    /// Takes back that it was rung.
    fn hush(&self) {
        // ORDERING: Relaxed. A ring that this overwrites was for a wait that is over; the
        // announcement of the next sleep is a full fence.
        self.0.store(SILENT, Ordering::Relaxed);
    }
}
