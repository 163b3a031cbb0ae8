//! How places of the two queues change hands between one thread of ours and the kernel.
//!
//! ```text
//! submission   we: write the entry, tail (release)     kernel: tail (acquire), read the entry
//!              kernel: read it, head (release)         we: head (acquire), write the next
//! completion   kernel: write it, tail (release)        we: tail (acquire), read it
//!              we: copy it, head (release)             kernel: head (acquire), write the next
//! ```
//!
//! Owns: the accesses of our side but the first, which may have to wake a thread
//! ([`wakeup`](crate::wakeup)). Does not own: positions, masks, entries (`sq`, `cq`), nor queues
//! that several threads share (`shared`). Invariant: an entry is touched only by the side that has
//! it. Mirrors the queues of io_uring(7).

use core::sync::atomic::Ordering;

use crate::wakeup::SharedWord;

/// Up to where the kernel has read submissions: those places are ours.
#[inline]
pub fn consumed(shared_head: &impl SharedWord) -> u32 {
    // ORDERING: acquire pairs with the kernel's release of the head: it has read those entries, so
    // they may be overwritten.
    shared_head.read(Ordering::Acquire)
}

/// Up to where the kernel has posted completions: those places are ours.
#[inline]
pub fn posted(shared_tail: &impl SharedWord) -> u32 {
    // ORDERING: acquire pairs with the kernel's release of the tail: the entries before it are
    // whole.
    shared_tail.read(Ordering::Acquire)
}

/// Gives the places of completions before `head` back to the kernel.
#[inline]
pub fn reaped(shared_head: &impl SharedWord, head: u32) {
    // ORDERING: release pairs with the kernel's acquire of the head: our copies were made before.
    shared_head.write(head, Ordering::Release);
}
