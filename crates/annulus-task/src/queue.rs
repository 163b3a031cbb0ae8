//! A queue of headers, linked through themselves.
//!
//! Owns the two ends. Does not own the headers. Invariants: a header is in at most one queue and is
//! marked as queued exactly while it is in one; nothing here allocates.

use std::cell::Cell;

use crate::pages::Own;

/// First in, first out.
pub(crate) struct Queue {
    head: Cell<Option<Own>>,
    tail: Cell<Option<Own>>,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(None), tail: Cell::new(None) }
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
        let next = own.link();
        self.head.set(next);
        if next.is_none() {
            self.tail.set(None);
        }
        own.set_queued(false);
        Some(own)
    }

    /// Appends all of another queue, in its order.
    #[inline]
    pub(crate) fn append(&self, other: &Queue) {
        if let Some(first) = other.head.take() {
            let last = other.tail.take().unwrap_or(first);
            self.link(first, last);
        }
    }

    #[inline]
    fn link(&self, first: Own, last: Own) {
        match self.tail.replace(Some(last)) {
            Some(tail) => tail.set_link(Some(first)),
            None => self.head.set(Some(first)),
        }
    }
}
