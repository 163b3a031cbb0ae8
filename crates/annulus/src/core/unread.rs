//! What a socket has received and nobody has read.
//!
//! Owns: the leases, in the order in which they came. What came in pieces that fit together lies in
//! one lease, because each would cost its reader a turn, and an echo of it a send. Invariant: the
//! first lies in the record itself, because most connections never have more; so an idle one holds
//! no memory for a queue.

use std::collections::VecDeque;

use crate::buf::Lease;

/// Leases, first in, first out.
#[derive(Default)]
pub(crate) struct Unread {
    first: Option<Lease>,
    /// Empty if there is no first.
    others: VecDeque<Lease>,
}

impl Unread {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.first.iter().chain(&self.others)
    }

    /// Appends what came, to the last lease if it lies right behind that, or if both are copied
    /// into `copied_max` bytes.
    #[inline]
    pub(crate) fn push_back(&mut self, lease: Lease, copied_max: usize) {
        match &mut self.first {
            None => self.first = Some(lease),
            Some(first) => {
                let last = self.others.back_mut().unwrap_or(first);
                if let Some(lease) = last.absorb(lease, copied_max) {
                    self.others.push_back(lease);
                }
            }
        }
    }

    pub(crate) fn push_front(&mut self, lease: Lease) {
        if let Some(second) = self.first.replace(lease) {
            self.others.push_front(second);
        }
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Lease> {
        if self.others.is_empty() {
            return self.first.take();
        }
        self.pop_of_many()
    }

    #[cold]
    fn pop_of_many(&mut self) -> Option<Lease> {
        std::mem::replace(&mut self.first, self.others.pop_front())
    }
}

#[cfg(test)]
mod tests;
