//! The latest value of something, for the tasks of one core that want to know when it changes.
//!
//! Owns: the value, its version and who waits for another. Invariant: a receiver that has seen a
//! version is told of the next one, however many came between.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::error::{Closed, SendError};
use crate::waiters::{Queue, Ticket};
use crate::waking::wake_all;

struct Shared<T> {
    value: RefCell<T>,
    state: RefCell<State>,
}

struct State {
    version: u64,
    sender: bool,
    receivers: usize,
    queue: Queue<Option<Waker>>,
}

/// A value and its first receiver. The first value counts as seen.
///
/// ```
/// let (sender, mut receiver) = annulus_sync::watch::channel(1);
/// sender.send(2).unwrap();
/// assert!(receiver.has_changed());
/// assert_eq!(*receiver.borrow_and_update(), 2);
/// assert!(!receiver.has_changed());
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let state = State { version: 0, sender: true, receivers: 1, queue: Queue::new() };
    let shared = Rc::new(Shared { value: RefCell::new(value), state: RefCell::new(state) });
    (Sender { shared: shared.clone() }, Receiver { shared, seen: 0 })
}

impl<T> Shared<T> {
    fn tell(&self) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        while let Some(waker) = state.queue.serve() {
            wakers.extend(waker.take());
        }
        drop(state);
        wake_all(wakers);
    }
}

/// Changes the value.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Replaces the value, and tells all receivers.
    ///
    /// # Errors
    /// The value, if no receiver is left.
    ///
    /// # Panics
    /// While a [`Ref`] of the value lives: drop it before awaiting anything.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.shared.state.borrow().receivers == 0 {
            return Err(SendError(value));
        }
        let before = self.shared.value.replace(value);
        // It may throw when it is dropped, so everybody is told by then.
        self.changed();
        drop(before);
        Ok(())
    }

    /// Changes the value in place, and tells all receivers, if `change` says that it did.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let changed = change(&mut self.shared.value.borrow_mut());
        if changed {
            self.changed();
        }
        changed
    }

    fn changed(&self) {
        self.shared.state.borrow_mut().version += 1;
        self.shared.tell();
    }

    /// The value.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.value.borrow()
    }

    /// One more receiver, which has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        let mut state = self.shared.state.borrow_mut();
        state.receivers += 1;
        Receiver { shared: self.shared.clone(), seen: state.version }
    }

    /// Receivers that are left.
    pub fn receiver_count(&self) -> usize {
        self.shared.state.borrow().receivers
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.state.borrow_mut().sender = false;
        self.shared.tell();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("watch::Sender").finish_non_exhaustive()
    }
}

/// Sees the value.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    seen: u64,
}

impl<T> Receiver<T> {
    /// The value. Do not keep the borrow across an await.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.value.borrow()
    }

    /// The value, which counts as seen from now on.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.seen = self.shared.state.borrow().version;
        self.shared.value.borrow()
    }

    /// Whether there is a value that was not seen.
    pub fn has_changed(&self) -> bool {
        self.seen != self.shared.state.borrow().version
    }

    /// Waits for a value that was not seen; it counts as seen then.
    ///
    /// # Errors
    /// [`Closed`] if the sender is gone and its last value was seen.
    ///
    /// # Cancel safety
    /// Dropping the future misses nothing.
    ///
    /// ```
    /// # async fn example() {
    /// let (sender, mut receiver) = annulus_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.changed().await.unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// # }
    /// ```
    pub async fn changed(&mut self) -> Result<(), Closed> {
        let mut place = Place { shared: &self.shared, ticket: None };
        let seen = self.seen;
        let version = std::future::poll_fn(|cx| place.poll(seen, cx.waker().clone())).await?;
        drop(place);
        self.seen = version;
        Ok(())
    }
}

/// A place in the queue; left when dropped.
struct Place<'a, T> {
    shared: &'a Shared<T>,
    ticket: Option<Ticket>,
}

impl<T> Place<'_, T> {
    fn poll(&mut self, seen: u64, waker: Waker) -> Poll<Result<u64, Closed>> {
        let mut state = self.shared.state.borrow_mut();
        if state.version != seen {
            return Poll::Ready(Ok(state.version));
        }
        if !state.sender {
            return Poll::Ready(Err(Closed));
        }
        let displaced = match self.ticket {
            Some(ticket) => state.queue.at(ticket).replace(waker),
            None => {
                self.ticket = Some(state.queue.push(Some(waker)));
                None
            }
        };
        drop(state);
        drop(displaced);
        Poll::Pending
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let waker = self.shared.state.borrow_mut().queue.remove(ticket);
            drop(waker);
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.state.borrow_mut().receivers += 1;
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.state.borrow_mut().receivers -= 1;
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("watch::Receiver").field("seen", &self.seen).finish_non_exhaustive()
    }
}
