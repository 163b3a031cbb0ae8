//! Wakes that come from other threads: a Treiber stack of task indices, linked through the tasks'
//! own headers, so that a wake never allocates and a task is in the stack at most once.
//!
//! Owns the head of the stack and the part of a header that foreign threads touch ([`Remote`]).
//! Does not own the headers, and does not know which thread is which: [`Inbox::send`] is for any
//! thread, [`Inbox::take`] and [`Remote::receive`] are for the one thread that owns the core.
//!
//! Invariants: index 0 is nil. The `next` of a header belongs to whoever set its `queued` flag
//! until the index is in the stack, and to the owner from `take` until `receive` clears the flag.
//! Pushes race only with pushes and with taking *everything*, so there is no ABA problem.

use crate::sync::{AtomicU32, Ordering, constructor};

/// The end of every list of indices.
pub const NIL: u32 = 0;

/// What foreign threads touch of a task's header.
pub struct Remote {
    /// The generation of the task that lives here, or that will live here next.
    generation: AtomicU32,
    /// 1 from the first foreign wake until the owner has received it.
    queued: AtomicU32,
    /// The index below this one in the inbox.
    next: AtomicU32,
}

impl Remote {
    constructor! {
        /// A header that no task has used; zeroed memory is one, too.
        #[cfg(any(test, loom, shuttle))]
        pub fn new() -> Self {
            Self {
                generation: AtomicU32::new(0),
                queued: AtomicU32::new(0),
                next: AtomicU32::new(NIL),
            }
        }
    }

    /// The generation as any thread may see it.
    #[inline]
    pub fn generation(&self) -> u32 {
        // ORDERING: Relaxed, pairs with `set_generation`. A holder of a name got it after that
        // generation was stored, so by coherence it reads that one or a later one; reading the
        // own generation just before it ends makes a spurious wake, nothing worse.
        self.generation.load(Ordering::Relaxed)
    }

    /// Owner: the task that lived here has ended; its names are stale from now on.
    #[inline]
    pub fn set_generation(&self, generation: u32) {
        // ORDERING: Relaxed, pairs with `generation`: nothing else is published by it.
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Owner: nobody is sending this header, although its flag may say so: the thread that set it
    /// is one of another process.
    pub fn forget_sender(&self) {
        // ORDERING: Relaxed; a look, so that what nobody has sent is not written to.
        if self.queued.load(Ordering::Relaxed) != 0 {
            // ORDERING: Relaxed, pairs with the swap in `send`: no sender had got that far.
            self.queued.store(0, Ordering::Relaxed);
        }
    }

    /// Owner: takes this header out of a list that [`Inbox::take`] returned, and returns the index
    /// that follows. From here on foreign wakes send it again.
    pub fn receive(&self) -> u32 {
        // ORDERING: Relaxed, pairs with the stores in `send` and `take`: the flag is set, so the
        // link is this thread's, and `take` made the sender's store visible.
        let next = self.next.load(Ordering::Relaxed);
        // ORDERING: AcqRel, pairs with the swap in `send`: acquires what every waker wrote before
        // its wake, also of those that found the flag set; releases the link to the next sender.
        self.queued.swap(0, Ordering::AcqRel);
        next
    }
}

/// The stack itself.
pub struct Inbox {
    head: AtomicU32,
}

impl Inbox {
    constructor! {
        /// An empty inbox.
        pub fn new() -> Self {
            Self { head: AtomicU32::new(NIL) }
        }
    }

    /// Any thread: sends `index`, whose header is `remote`, unless it is on its way already.
    /// True if it was sent by this call, and the core may have to be rung.
    pub fn send(&self, index: u32, remote: &Remote) -> bool {
        debug_assert_ne!(index, NIL, "nil was sent to an inbox");
        // ORDERING: AcqRel, pairs with the swap in `receive`. It is a swap even if the flag was
        // set: a plain load would not order the waker's writes before the owner's next poll.
        if remote.queued.swap(1, Ordering::AcqRel) != 0 {
            return false;
        }
        // ORDERING: Relaxed, a first guess that the exchange below verifies.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // ORDERING: Relaxed, pairs with the load in `receive`, published by the exchange.
            remote.next.store(head, Ordering::Relaxed);
            // ORDERING: Release, pairs with the swap in `take`: publishes the link. Every push is
            // an RMW, so the release sequence carries the links of those below, too.
            match self.head.compare_exchange_weak(head, index, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(seen) => head = seen,
            }
        }
    }

    /// Owner: whether nothing waits. Exact only after the fence of the sleep handshake.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // ORDERING: Relaxed, pairs with the exchange in `send`; a push that is missed here is seen
        // in the next turn, or, before sleeping, through the handshake's fences.
        self.head.load(Ordering::Relaxed) == NIL
    }

    /// Owner: takes everything and returns the oldest index, or nil. Follow the list with
    /// [`Remote::receive`]; `remote_of` finds the header of an index that was sent.
    pub fn take<'a>(&self, remote_of: impl Fn(u32) -> &'a Remote) -> u32 {
        if self.is_empty() {
            return NIL;
        }
        // ORDERING: Acquire, pairs with the exchanges in `send`: makes all links visible.
        let mut newest = self.head.swap(NIL, Ordering::Acquire);
        let mut oldest = NIL;
        while newest != NIL {
            let remote = remote_of(newest);
            // ORDERING: Relaxed, pairs with the store in `send`, made visible by the swap above.
            let below = remote.next.load(Ordering::Relaxed);
            // ORDERING: Relaxed, pairs with the load in `receive` on this same thread.
            remote.next.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = below;
        }
        oldest
    }
}

#[cfg(test)]
mod tests;
