//! The tail of a provided-buffer ring: how buffers become the kernel's.
//!
//! ```text
//! we                                    the kernel
//!   write the entries before the tail     tail (acquire) beyond my head? then read the entry at it
//!   tail (release)                        ... use the buffer, post a completion (release)
//!   completion seen (acquire): the entry may be overwritten
//! ```
//!
//! Owns: the one access of our side. Does not own: the entries (`buf_ring`) nor the kernel's head,
//! which is not in memory. Invariant: an entry is written only while the kernel's head is past it,
//! of which a completion tells. Mirrors io_uring_buf_ring_advance(3).

use core::sync::atomic::Ordering;

/// The word in which the tail lies: of the ring's memory, or of a model.
pub trait SharedTail {
    /// Writes it.
    fn write(&self, value: u16, order: Ordering);
}

impl SharedTail for core::sync::atomic::AtomicU16 {
    #[inline]
    fn write(&self, value: u16, order: Ordering) {
        // ORDERING: the caller's.
        self.store(value, order);
    }
}

#[cfg(loom)]
impl SharedTail for loom::sync::atomic::AtomicU16 {
    fn write(&self, value: u16, order: Ordering) {
        // ORDERING: the caller's.
        self.store(value, order);
    }
}

/// Gives all buffers before `tail` to the kernel.
#[inline]
pub fn publish(shared: &impl SharedTail, tail: u16) {
    // ORDERING: release pairs with the kernel's acquire of the tail: it sees the entries whole.
    shared.write(tail, Ordering::Release);
}
