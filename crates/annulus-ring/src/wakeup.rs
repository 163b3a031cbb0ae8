//! The submission thread falls asleep while entries are published: nobody may sleep over an entry.
//!
//! ```text
//! we                                       the submission thread
//!   publish the tail (release)               no entry for a while: set NEED_WAKEUP
//!   fence(SeqCst)                            full fence
//!   NEED_WAKEUP set? then enter(SQ_WAKEUP)   no entry still? then sleep
//! ```
//!
//! The two fences are totally ordered. If ours is first, the thread sees the entry; if the thread's
//! is first, we see the flag. Without ours the store of the tail may still be on its way when the
//! flag is read, as liburing once had it (#541).
//!
//! Owns: the two accesses of our side and the fence between them. Does not own: the words
//! (`memory`) nor the call (`enter`). Invariant: whoever asks whether the thread sleeps has
//! published before. Mirrors io_uring_setup(2), `IORING_SETUP_SQPOLL`.

use core::sync::atomic::Ordering;

#[cfg(not(loom))]
use core::sync::atomic::fence;
#[cfg(loom)]
use loom::sync::atomic::fence;

use annulus_abi::SqFlags;

/// A word that both sides share: one of the ring's memory, or one of a model.
pub trait SharedWord {
    /// Reads it.
    fn read(&self, order: Ordering) -> u32;
    /// Writes it.
    fn write(&self, value: u32, order: Ordering);
}

impl SharedWord for core::sync::atomic::AtomicU32 {
    #[inline]
    fn read(&self, order: Ordering) -> u32 {
        // ORDERING: the caller's.
        self.load(order)
    }

    #[inline]
    fn write(&self, value: u32, order: Ordering) {
        // ORDERING: the caller's.
        self.store(value, order);
    }
}

#[cfg(loom)]
impl SharedWord for loom::sync::atomic::AtomicU32 {
    fn read(&self, order: Ordering) -> u32 {
        // ORDERING: the caller's.
        self.load(order)
    }

    fn write(&self, value: u32, order: Ordering) {
        // ORDERING: the caller's.
        self.store(value, order);
    }
}

/// Gives all entries before `tail` to the kernel.
#[inline]
pub fn publish(shared_tail: &impl SharedWord, tail: u32) {
    // ORDERING: release pairs with the kernel's acquire of the tail: it sees the entries whole.
    shared_tail.write(tail, Ordering::Release);
}

/// Whether the submission thread sleeps, asked after a tail was published.
#[inline]
pub fn is_needed(shared_flags: &impl SharedWord) -> bool {
    // ORDERING: full fence between our store of the tail and the load of the flag; pairs with the
    // kernel's fence between its store of the flag and its load of the tail. One of both sees the
    // other's store, so the thread never sleeps on a published entry.
    fence(Ordering::SeqCst);
    // ORDERING: relaxed, ordered by the fence.
    SqFlags(shared_flags.read(Ordering::Relaxed)).contains(SqFlags::NEED_WAKEUP)
}
