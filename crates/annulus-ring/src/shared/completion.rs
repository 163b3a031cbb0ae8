//! Many threads reap: each copies what is there, and then claims it.
//!
//! ```text
//! copy the entries from the head on    compare-and-swap the head    it was ours: they are reaped
//!                                                                   it was not: look again
//! ```
//!
//! A copy is made before it is claimed, so a thread that is preempted or dies in the middle holds
//! nothing, and nobody waits for it: reaping is lock-free. The price is that two threads that reap
//! at the same moment copy the same entries, and one of them in vain. An entry may be overwritten
//! while it is copied, but only after the head has passed it, and then the claim fails.
//!
//! What is claimed is a head of 64 bits that never wraps, so a thread that slept through 2^32
//! completions does not take its old head for the new one. The kernel's head of 32 bits follows: it
//! is only ever moved forward, and it cannot lap a thread that moves it, because that thread has
//! not yet returned the credits for its completions ([`room`](super::room)).
//!
//! Owns: the head. Does not own: credits, waiting, what a completion means. Invariant: the kernel's
//! head never passes what has been claimed. Mirrors the completion half of io_uring(7).

use core::sync::atomic::Ordering;

use annulus_abi::Cqe;

use super::{memory::CqMemory, sync::AtomicU64};
use crate::wakeup::SharedWord;

/// The user side of a completion ring that many threads reap.
pub struct Completion<M> {
    memory: M,
    head: AtomicU64,
}

impl<M: CqMemory> Completion<M> {
    /// The queue in `memory`, starting where its head stands.
    #[must_use]
    pub fn new(memory: M) -> Self {
        // ORDERING: relaxed; only this side writes the head, and nothing is shared yet.
        let head = memory.head().read(Ordering::Relaxed);
        Self { memory, head: AtomicU64::new(u64::from(head)) }
    }

    /// The memory, for whoever plays the kernel.
    #[cfg(any(test, loom))]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// How many completions can be reaped now, as far as a look tells.
    #[must_use]
    #[inline]
    pub fn ready(&self) -> u32 {
        // ORDERING: acquire pairs with the release of `take`: a tail not older than the head.
        let head = self.head.load(Ordering::Acquire) as u32;
        // ORDERING: relaxed; nothing is read through it.
        self.memory.tail().read(Ordering::Relaxed).wrapping_sub(head)
    }

    /// Reaps the oldest completions into `out` and returns how many; 0 if none is ready.
    ///
    /// Their slots are the kernel's again.
    #[inline]
    pub fn take(&self, out: &mut [Cqe]) -> usize {
        // ORDERING: acquire pairs with the release of the exchange below: who moved the head there
        // had acquired a tail at least as far, so the tail read next is not behind it.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // ORDERING: acquire pairs with the kernel's release of the tail: the entries before it
            // are whole.
            let tail = self.memory.tail().read(Ordering::Acquire);
            // A head that is old may seem to be more than a queue behind; the claim will fail.
            let ready = tail.wrapping_sub(head as u32).min(self.memory.entries());
            let count = (ready as usize).min(out.len());
            if count == 0 {
                return 0;
            }
            for (step, cqe) in out[..count].iter_mut().enumerate() {
                *cqe = self.memory.read((head as u32).wrapping_add(step as u32));
            }
            let after = head + count as u64;
            // ORDERING: release, so that whoever reads this head sees our tail (above), and our
            // copies come before it. Acquire if it fails, as for the load above.
            match self.head.compare_exchange(head, after, Ordering::Release, Ordering::Acquire) {
                Ok(_) => {
                    self.publish(after as u32);
                    return count;
                }
                Err(now) => head = now,
            }
        }
    }

    /// Lets the kernel have the slots before `to`, unless another thread has been quicker.
    #[inline]
    fn publish(&self, to: u32) {
        loop {
            // ORDERING: relaxed; the exchange reads it again.
            let from = self.memory.head().read(Ordering::Relaxed);
            if to.wrapping_sub(from) as i32 <= 0 || self.memory.move_head(from, to) {
                return;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
