//! What a core does when it is asked to stop: idle connections end, answers under way are finished.
//!
//! ```text
//!   signal thread -- trigger --> Stop (process) -- wakes --> each core's accept loop
//!                                                                | close
//!                                     Gate (core) <--------------+
//!                                       | wakes idle connections; `drained` when the last is gone
//!                                       v
//!                                     Pass (connection)
//! ```
//!
//! [`Stop`](crate::stop::Stop) crosses threads and is touched once per core; [`Gate`] belongs to
//! one core and costs a connection a slot in a vector. No waker is called while anything is
//! borrowed or locked.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One core's connections, and whether they may wait for further requests.
#[derive(Default)]
pub struct Gate {
    closed: Cell<bool>,
    /// A place per connection, with its waker while it waits for a request.
    places: RefCell<Places>,
    /// Who waits for the last connection to go.
    draining: RefCell<Option<Waker>>,
}

#[derive(Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Gate {
    /// Counts a connection until its pass is dropped.
    pub fn admit(self: &Rc<Self>) -> Pass {
        let mut places = self.places.borrow_mut();
        let place = places.free.pop().unwrap_or_else(|| {
            places.wakers.push(None);
            places.wakers.len() - 1
        });
        Pass { gate: self.clone(), place }
    }

    /// Ends the waits of all idle connections, now and from now on.
    pub fn close(&self) {
        self.closed.set(true);
        let wakers: Vec<Waker> =
            self.places.borrow_mut().wakers.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many connections there are.
    pub fn admitted(&self) -> usize {
        let places = self.places.borrow();
        places.wakers.len() - places.free.len()
    }

    /// Waits until there is no connection.
    pub async fn drained(&self) {
        poll_fn(|context| {
            if self.admitted() == 0 {
                return Poll::Ready(());
            }
            *self.draining.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A connection's place at the [`Gate`].
pub struct Pass {
    gate: Rc<Gate>,
    place: usize,
}

impl Pass {
    /// Whether the core stops.
    pub fn is_closing(&self) -> bool {
        self.gate.closed.get()
    }

    /// Ready once the core stops.
    pub fn poll_closing(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_closing() {
            return Poll::Ready(());
        }
        let mut places = self.gate.places.borrow_mut();
        let waker = &mut places.wakers[self.place];
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut places = self.gate.places.borrow_mut();
        let waker = places.wakers[self.place].take();
        places.free.push(self.place);
        let last = places.free.len() == places.wakers.len();
        drop(places);
        drop(waker);
        let draining = if last { self.gate.draining.borrow_mut().take() } else { None };
        if let Some(draining) = draining {
            draining.wake();
        }
    }
}

#[cfg(test)]
mod tests;
