//! A queue of headers, linked through themselves.
//!
//! Owns the two ends. Does not own the headers. Invariants: a header is in at most one queue and is
//! marked as queued exactly while it is in one; the tail says nothing while there is no head;
//! nothing here allocates.

use std::cell::Cell;

use crate::pages::Own;

/// First in, first out.
pub(crate) struct Queue {
    head: Cell<Option<Own>>,
    /// The last header. Any header while the queue is empty, so that neither end asks for it.
    tail: Cell<Own>,
}

impl Queue {
    /// An empty one; `any` header of the executor's own.
    pub(crate) const fn new(any: Own) -> Self {
        Self { head: Cell::new(None), tail: Cell::new(any) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }

    /// Appends a header that is in no queue.
    #[inline]
    pub(crate) fn push(&self, own: Own) {
        debug_assert!(!own.is_queued(), "a header was queued twice");
        own.set_queued(true);
        own.set_link(None);
        self.link(own, own);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Own> {
        let own = self.head.get()?;
        self.head.set(own.link());
        own.set_queued(false);
        Some(own)
    }

    /// Appends all of another queue, in its order.
    #[inline]
    pub(crate) fn append(&self, other: &Queue) {
        if let Some(first) = other.head.take() {
            self.link(first, other.tail.get());
        }
    }

    #[inline]
    fn link(&self, first: Own, last: Own) {
        let tail = self.tail.replace(last);
        if self.is_empty() {
            self.head.set(Some(first));
        } else {
            tail.set_link(Some(first));
        }
    }
}
