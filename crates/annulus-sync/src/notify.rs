//! News without content: one waiter is told, or all of them.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::waiters::{Queue, Ticket};
use crate::waking::wake_all;

/// Tells tasks of one core that something has happened.
///
/// [`notify_one`](Self::notify_one) wakes one waiter, or, if nobody waits, lets the next one pass;
/// several such calls let one pass. [`notify_waiters`](Self::notify_waiters) wakes all that wait,
/// and is not remembered.
///
/// ```
/// # use std::future::Future;
/// # use std::pin::pin;
/// # use std::task::{Context, Waker};
/// # let mut cx = Context::from_waker(Waker::noop());
/// let notify = annulus_sync::Notify::new();
/// let mut waiting = pin!(notify.notified());
/// assert!(waiting.as_mut().poll(&mut cx).is_pending());
/// notify.notify_one();
/// assert!(waiting.as_mut().poll(&mut cx).is_ready());
/// ```
pub struct Notify {
    state: RefCell<State>,
}

struct State {
    remembered: bool,
    queue: Queue<Waiter>,
}

struct Waiter {
    told: Option<Told>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Alone,
    WithAll,
}

impl Notify {
    /// Nothing has happened yet.
    pub const fn new() -> Self {
        Self { state: RefCell::new(State { remembered: false, queue: Queue::new() }) }
    }

    /// Wakes the one that has waited longest, or lets the next one pass.
    pub fn notify_one(&self) {
        let mut state = self.state.borrow_mut();
        let waker = match state.queue.serve() {
            Some(waiter) => {
                waiter.told = Some(Told::Alone);
                waiter.waker.take()
            }
            None => {
                state.remembered = true;
                None
            }
        };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Wakes all that wait now.
    pub fn notify_waiters(&self) {
        let mut wakers = Vec::new();
        let mut state = self.state.borrow_mut();
        while let Some(waiter) = state.queue.serve() {
            waiter.told = Some(Told::WithAll);
            wakers.extend(waiter.waker.take());
        }
        drop(state);
        wake_all(wakers);
    }

    /// Waits for news. Waiting begins at the first poll.
    ///
    /// # Cancel safety
    /// News that was meant for a dropped future alone goes to the next.
    ///
    /// ```
    /// # async fn example() {
    /// let notify = annulus_sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified().await; // it was remembered
    /// # }
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, ticket: None }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}

/// The future of [`Notify::notified`].
#[must_use = "futures do nothing unless awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    ticket: Option<Ticket>,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.notify.state.borrow_mut();
        let Some(ticket) = self.ticket else {
            if std::mem::take(&mut state.remembered) {
                return Poll::Ready(());
            }
            let ticket = state.queue.push(Waiter { told: None, waker: Some(waker) });
            drop(state);
            self.ticket = Some(ticket);
            return Poll::Pending;
        };
        let waiter = state.queue.at(ticket);
        if waiter.told.is_none() {
            let displaced = waiter.waker.replace(waker);
            drop(state);
            drop(displaced);
            return Poll::Pending;
        }
        let waiter = state.queue.remove(ticket);
        drop(state);
        drop(waiter);
        self.ticket = None;
        Poll::Ready(())
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let waiter = self.notify.state.borrow_mut().queue.remove(ticket);
        if waiter.told == Some(Told::Alone) {
            self.notify.notify_one();
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").finish_non_exhaustive()
    }
}
