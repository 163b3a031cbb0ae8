//! Things that are lent, one to each user, in the order in which they were asked for.
//!
//! Owns: what is free, and who waits for it. Does not own: what the things are: buffers of a pool,
//! or the one turn of those who share something. Unlike the queues of `waiters`, which are of one
//! core, users may be on any thread.
//!
//! | who waits | becomes |
//! |---|---|
//! | and there are as many free as stand before, and one more | woken, and served by its next poll |
//! | and is dropped | out of the queue; whoever has its chance now is woken |
//!
//! Invariants: nobody overtakes; the first as many as there are free things have one each, whether
//! they have come for it or not; no code of a user (wakers are) runs under the lock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use annulus_task::clone_waker;

/// What can be lent.
pub(crate) struct Stock<T>(Mutex<Shelf<T>>);

struct Shelf<T> {
    /// The last one came back last.
    free: Vec<T>,
    /// By their tickets, which rise.
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl<T> Stock<T> {
    pub(crate) fn new(free: Vec<T>) -> Self {
        Self(Mutex::new(Shelf { free, waiting: VecDeque::new(), next: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are not lent.
    pub(crate) fn free_count(&self) -> usize {
        self.lock().free.len()
    }

    /// One that nobody waits for.
    pub(crate) fn try_take(&self) -> Option<T> {
        let mut shelf = self.lock();
        if shelf.free.len() > shelf.waiting.len() { shelf.free.pop() } else { None }
    }

    /// One is not used any more.
    pub(crate) fn give_back(&self, thing: T) {
        let mut shelf = self.lock();
        shelf.free.push(thing);
        let last = shelf.free.len() - 1;
        let next = shelf.waker(last);
        drop(shelf);
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// A wait for one; who has not polled it stands in no queue.
    pub(crate) fn wait(&self) -> Wait<'_, T> {
        Wait { stock: self, ticket: None }
    }
}

impl<T> Shelf<T> {
    fn place_of(&self, ticket: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }

    /// Who waits there, to be woken: a poll notes who it is once more. Cloning it here would run
    /// code of a user under the lock.
    fn waker(&mut self, place: usize) -> Option<Waker> {
        let (_, waker) = self.waiting.get_mut(place)?;
        Some(std::mem::replace(waker, Waker::noop().clone()))
    }
}

/// A place in the queue for a thing; left when dropped.
pub(crate) struct Wait<'a, T> {
    stock: &'a Stock<T>,
    ticket: Option<u64>,
}

impl<T> Wait<'_, T> {
    /// A thing, when it is this one's turn.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let waker = clone_waker(cx.waker());
        let mut shelf = self.stock.lock();
        let place = self.ticket.and_then(|ticket| shelf.place_of(ticket));
        if place.unwrap_or(shelf.waiting.len()) < shelf.free.len() {
            let left = place.and_then(|place| shelf.waiting.remove(place));
            self.ticket = None;
            let thing = shelf.free.pop();
            drop(shelf);
            drop((left, waker));
            return thing.map_or(Poll::Pending, Poll::Ready);
        }
        let displaced = match place {
            Some(place) => Some(std::mem::replace(&mut shelf.waiting[place].1, waker)),
            None => {
                shelf.next += 1;
                let entry = (shelf.next, waker);
                self.ticket = Some(entry.0);
                shelf.waiting.push_back(entry);
                None
            }
        };
        drop(shelf);
        drop(displaced);
        Poll::Pending
    }

    /// Waits no more.
    pub(crate) fn leave(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut shelf = self.stock.lock();
        let Some(place) = shelf.place_of(ticket) else { return };
        let left = shelf.waiting.remove(place);
        // Who stood behind the last one that has a thing has one now.
        let next = match shelf.free.len() {
            have if have > place => shelf.waker(have - 1),
            _ => None,
        };
        drop(shelf);
        drop(left);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
