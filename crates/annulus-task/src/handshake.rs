//! The sleep handshake: a core blocks only when nothing was sent to it, and whoever sends to a
//! blocked core rings its bell.
//!
//! ```text
//! owner                                    sender
//!   announce: sleeping = true                 publish in the inbox or the posts
//!   fence(SeqCst)                             fence(SeqCst)
//!   inbox and posts empty? then block         sleeping? then take it and ring the bell
//! ```
//!
//! The two fences are totally ordered: if the owner's is first, the sender sees `sleeping`; if the
//! sender's is first, the owner sees what was published. Either way nobody sleeps over a message.
//!
//! Owns the flag, the bell and the count of senders that may be ringing it. Does not own what is
//! sent. Invariant: the bell changes, and a core ends, only when no sender is ringing, so a bell is
//! never rung after [`Handshake::quiesce`]; its word may name a descriptor that is closed next.

use std::ptr;

use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, constructor};
use crate::sync::{fence, thread};

/// How a sleeping core is woken from another thread.
///
/// `ring` is called with `word` by the thread that sends to a sleeping core, at most once per
/// sleep. It must make the blocking call in [`Executor::sleep`](crate::Executor::sleep) return,
/// now or if it is only about to begin. It must not drop the executor that it rings for.
#[derive(Clone, Copy, Debug)]
pub struct Bell {
    /// Called with `word`, on any thread.
    pub ring: fn(u64),
    /// What the function needs to know: a descriptor, an address.
    pub word: u64,
}

/// Both sides of the handshake.
pub struct Handshake {
    sleeping: AtomicBool,
    /// Senders between seeing `sleeping` and having rung.
    ringers: AtomicU32,
    /// `Bell::ring`, null while there is no bell.
    ring: AtomicPtr<()>,
    /// `Bell::word`.
    word: AtomicU64,
}

impl Handshake {
    constructor! {
        /// Awake, without a bell.
        pub fn new() -> Self {
            Self {
                sleeping: AtomicBool::new(false),
                ringers: AtomicU32::new(0),
                ring: AtomicPtr::new(ptr::null_mut()),
                word: AtomicU64::new(0),
            }
        }
    }

    /// Owner: from here on senders ring. Check the inbox and the posts after this, then block.
    #[inline]
    pub fn announce(&self) {
        // ORDERING: Release, pairs with the exchange in `ring`: who takes the flag sees the bell.
        self.sleeping.store(true, Ordering::Release);
        // ORDERING: SeqCst, pairs with the fence in `knock`; see the diagram of this file.
        fence(Ordering::SeqCst);
    }

    /// Owner: awake again; senders need not ring.
    #[inline]
    pub fn withdraw(&self) {
        // ORDERING: Relaxed, pairs with the load in `knock`: seeing it late costs a needless ring.
        #[cfg(not(loom))]
        self.sleeping.store(false, Ordering::Relaxed);
        // loom does not know that the exchange in `ring`, being atomic, comes before a later store
        // of this thread; reading that exchange tells it. The shipped store needs no RMW.
        #[cfg(loom)]
        self.sleeping.swap(false, Ordering::Relaxed);
    }

    /// Sender: something was published; rings if the core sleeps and nobody else rings for this
    /// sleep.
    #[inline]
    pub fn knock(&self) {
        // ORDERING: SeqCst, pairs with the fence in `announce`; see the diagram of this file.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed, ordered by the fence above.
        if self.sleeping.load(Ordering::Relaxed) {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        struct Ringing<'a>(&'a AtomicU32);
        impl Drop for Ringing<'_> {
            fn drop(&mut self) {
                // ORDERING: Release, pairs with the load in `quiesce`: the ring is over.
                self.0.fetch_sub(1, Ordering::Release);
            }
        }
        // ORDERING: Relaxed, ordered before the exchange by the fence below.
        self.ringers.fetch_add(1, Ordering::Relaxed);
        let _ringing = Ringing(&self.ringers);
        // ORDERING: SeqCst, pairs with the fence in `quiesce`: either that one sees this ringer,
        // or the exchange below sees that the core does not sleep.
        fence(Ordering::SeqCst);
        // ORDERING: Acquire, pairs with the store in `announce`: makes the bell visible. An RMW, so
        // that one sleep is rung once.
        let taken =
            self.sleeping.compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_err() {
            return;
        }
        // ORDERING: Relaxed, made visible by the exchange above.
        let ring = self.ring.load(Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        let word = self.word.load(Ordering::Relaxed);
        if !ring.is_null() {
            // SAFETY: a pointer that is not null was stored by `set_bell`, from a `fn(u64)`.
            let ring = unsafe { std::mem::transmute::<*mut (), fn(u64)>(ring) };
            ring(word);
        }
    }

    /// Owner: awake, and returns only when no sender is ringing.
    pub fn quiesce(&self) {
        self.withdraw();
        // ORDERING: SeqCst, pairs with the fence in `ring`.
        fence(Ordering::SeqCst);
        while self.is_ringing() {
            thread::yield_now();
        }
    }

    /// Whether a sender is ringing.
    pub fn is_ringing(&self) -> bool {
        // ORDERING: Acquire, pairs with the decrement in `ring`: its call happened before.
        self.ringers.load(Ordering::Acquire) != 0
    }

    /// Owner: changes the bell, or takes it away.
    pub fn set_bell(&self, bell: Option<Bell>) {
        self.quiesce();
        self.replace_bell(bell);
    }

    /// Owner in a forked child, awake: as [`set_bell`](Self::set_bell), but waits for nobody. Who
    /// was ringing when the parent forked is ringing here for ever, on no thread.
    pub fn inherit_bell(&self, bell: Option<Bell>) {
        self.withdraw();
        self.replace_bell(bell);
    }

    fn replace_bell(&self, bell: Option<Bell>) {
        let (ring, word) = match bell {
            Some(bell) => (bell.ring as *mut (), bell.word),
            None => (ptr::null_mut(), 0),
        };
        // ORDERING: Relaxed, pairs with the load in `ring`, published by `announce`.
        self.ring.store(ring, Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        self.word.store(word, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
