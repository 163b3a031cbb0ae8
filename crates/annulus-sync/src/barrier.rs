//! A meeting point: nobody goes on before all have come.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::waiters::{Queue, Ticket};
use crate::waking::wake_all;

/// Lets a number of tasks of one core wait for each other, again and again.
///
/// One of each meeting, the last to come, gets `true`.
///
/// # Cancel safety
/// A future of [`wait`](Self::wait) that is dropped before the meeting has not come: one more is
/// awaited.
pub struct Barrier {
    size: usize,
    state: RefCell<State>,
}

struct State {
    come: usize,
    queue: Queue<Waiter>,
}

struct Waiter {
    met: bool,
    waker: Option<Waker>,
}

impl Barrier {
    /// A meeting of `size`; 0 is as 1.
    pub const fn new(size: usize) -> Self {
        Self { size, state: RefCell::new(State { come: 0, queue: Queue::new() }) }
    }

    /// Waits until `size` have come. True for one of them.
    ///
    /// # Cancel safety
    /// A future that is dropped before the meeting has not come: one more is awaited.
    ///
    /// ```
    /// # async fn example() {
    /// let barrier = annulus_sync::Barrier::new(1);
    /// assert!(barrier.wait().await, "the last to come");
    /// # }
    /// ```
    pub fn wait(&self) -> Wait<'_> {
        Wait { barrier: self, ticket: None, done: false }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("size", &self.size).finish_non_exhaustive()
    }
}

/// The future of [`Barrier::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a> {
    barrier: &'a Barrier,
    ticket: Option<Ticket>,
    done: bool,
}

impl Future for Wait<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        assert!(!self.done, "a future of `Barrier::wait` was polled after it was ready");
        let waker = cx.waker().clone();
        let mut state = self.barrier.state.borrow_mut();
        if let Some(ticket) = self.ticket {
            let waiter = state.queue.at(ticket);
            if !waiter.met {
                let displaced = waiter.waker.replace(waker);
                drop(state);
                drop(displaced);
                return Poll::Pending;
            }
            state.queue.remove(ticket);
            drop(state);
            self.ticket = None;
            self.done = true;
            return Poll::Ready(false);
        }
        if state.come + 1 < self.barrier.size {
            state.come += 1;
            let ticket = state.queue.push(Waiter { met: false, waker: Some(waker) });
            drop(state);
            self.ticket = Some(ticket);
            return Poll::Pending;
        }
        state.come = 0;
        let mut wakers = Vec::new();
        while let Some(waiter) = state.queue.serve() {
            waiter.met = true;
            wakers.extend(waiter.waker.take());
        }
        drop(state);
        self.done = true;
        wake_all(wakers);
        Poll::Ready(true)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.barrier.state.borrow_mut();
        let waiter = state.queue.remove(ticket);
        if !waiter.met {
            state.come -= 1;
        }
        drop(state);
        drop(waiter);
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}
