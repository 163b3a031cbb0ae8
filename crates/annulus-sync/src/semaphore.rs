//! A counted number of permits, given out in the order in which they were asked for.
//!
//! Owns: permits and who waits for them; [`Mutex`](crate::Mutex), [`RwLock`](crate::RwLock) and
//! bounded channels are made of it.
//!
//! | the future of `acquire` is dropped | what happens |
//! |---|---|
//! | before its first poll | nothing |
//! | waiting | it leaves the queue; if it was first, the next is served if there is enough for it |
//! | served, not polled since | its permits go to the next |

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::error::{Closed, TryAcquireError};
use crate::waiters::{Queue, Ticket};
use crate::waking::Waking;

/// Permits of one core.
///
/// A request for many permits is not overtaken by requests for few, so it cannot starve.
///
/// ```
/// use annulus_sync::Semaphore;
///
/// let semaphore = Semaphore::new(2);
/// let one = semaphore.try_acquire(1).unwrap();
/// assert!(semaphore.try_acquire(2).is_err());
/// drop(one);
/// assert!(semaphore.try_acquire(2).is_ok());
/// ```
pub struct Semaphore {
    state: RefCell<State>,
}

struct State {
    permits: usize,
    closed: bool,
    queue: Queue<Waiter>,
}

struct Waiter {
    wanted: usize,
    granted: bool,
    waker: Option<Waker>,
}

impl State {
    fn take(&mut self, wanted: usize) -> Result<(), TryAcquireError> {
        if self.closed {
            return Err(TryAcquireError::Closed);
        }
        if !self.queue.is_empty() || self.permits < wanted {
            return Err(TryAcquireError::NoPermits);
        }
        self.permits -= wanted;
        Ok(())
    }

    /// Serves the first in the queue if it can be served.
    fn serve(&mut self) -> Option<Waker> {
        let wanted = self.queue.first()?.wanted;
        if self.permits < wanted && !self.closed {
            return None;
        }
        let granted = !self.closed;
        if granted {
            self.permits -= wanted;
        }
        let waiter = self.queue.serve()?;
        waiter.granted = granted;
        waiter.waker.take()
    }
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub const fn new(permits: usize) -> Self {
        Self { state: RefCell::new(State { permits, closed: false, queue: Queue::new() }) }
    }

    /// Permits that nobody has.
    pub fn available_permits(&self) -> usize {
        self.state.borrow().permits
    }

    /// Waits for `wanted` permits, all at once.
    ///
    /// # Errors
    /// [`Closed`] after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue, and nothing else.
    ///
    /// ```
    /// # async fn example() {
    /// let semaphore = annulus_sync::Semaphore::new(2);
    /// let permit = semaphore.acquire(2).await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// drop(permit); // gives both back
    /// # }
    /// ```
    pub fn acquire(&self, wanted: usize) -> Acquire<'_> {
        Acquire { semaphore: self, wanted, ticket: None }
    }

    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore alive instead of
    /// borrowing it.
    ///
    /// # Errors
    /// [`Closed`] after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue, and nothing else.
    ///
    /// ```
    /// # async fn example() {
    /// use std::rc::Rc;
    ///
    /// let semaphore = Rc::new(annulus_sync::Semaphore::new(2));
    /// let permit = Rc::clone(&semaphore).acquire_owned(1).await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// drop(permit);
    /// # }
    /// ```
    pub async fn acquire_owned(self: Rc<Self>, wanted: usize) -> Result<OwnedPermit, Closed> {
        self.acquire(wanted).await?.forget();
        Ok(OwnedPermit { semaphore: self, permits: wanted })
    }

    /// Takes `wanted` permits if they are there and nobody waits.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire(&self, wanted: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.state.borrow_mut().take(wanted)?;
        Ok(Permit { semaphore: self, permits: wanted })
    }

    /// Adds permits, and serves those that wait.
    pub fn add_permits(&self, permits: usize) {
        let mut state = self.state.borrow_mut();
        state.permits += permits;
        let served = state.queue.is_empty();
        drop(state);
        if !served {
            self.serve_all();
        }
    }

    /// Ends the waiting of everybody, now and later, with [`Closed`]. Permits that are out stay so.
    pub fn close(&self) {
        self.state.borrow_mut().closed = true;
        self.serve_all();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    /// One at a time, since waking may come back here.
    fn serve_all(&self) {
        let mut waking = Waking::default();
        loop {
            let mut state = self.state.borrow_mut();
            let waker = state.serve();
            drop(state);
            match waker {
                Some(waker) => waking.wake(waker),
                None => return,
            }
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Semaphore")
            .field("permits", &state.permits)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

/// The future of [`Semaphore::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    wanted: usize,
    ticket: Option<Ticket>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.ticket.is_none() {
            match this.semaphore.state.borrow_mut().take(this.wanted) {
                Ok(()) => return Poll::Ready(Ok(this.permit())),
                Err(TryAcquireError::Closed) => return Poll::Ready(Err(Closed)),
                Err(TryAcquireError::NoPermits) => {}
            }
        }
        // Cloned before and dropped after the borrow: both may be user code, which may even give
        // permits back, so they are asked for again.
        let waker = cx.waker().clone();
        let displaced;
        let mut state = this.semaphore.state.borrow_mut();
        if let Some(ticket) = this.ticket {
            let closed = state.closed;
            let waiter = state.queue.at(ticket);
            if !waiter.granted && !closed {
                displaced = waiter.waker.replace(waker);
                drop(state);
                drop(displaced);
                return Poll::Pending;
            }
            let granted = waiter.granted;
            displaced = state.queue.remove(ticket).waker;
            // Before what may throw: a ticket is given back once.
            this.ticket = None;
            drop(state);
            drop(displaced);
            if !granted {
                return Poll::Ready(Err(Closed));
            }
        } else {
            match state.take(this.wanted) {
                Ok(()) => {}
                Err(TryAcquireError::Closed) => return Poll::Ready(Err(Closed)),
                Err(TryAcquireError::NoPermits) => {
                    let waiter = Waiter { wanted: this.wanted, granted: false, waker: Some(waker) };
                    this.ticket = Some(state.queue.push(waiter));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(this.permit()))
    }
}

impl<'a> Acquire<'a> {
    fn permit(&self) -> Permit<'a> {
        Permit { semaphore: self.semaphore, permits: self.wanted }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.semaphore.state.borrow_mut();
        let waiter = state.queue.remove(ticket);
        if waiter.granted {
            state.permits += waiter.wanted;
        }
        drop(state);
        // Its waker may throw when it is dropped, so everybody is served by then.
        self.semaphore.serve_all();
        drop(waiter);
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Permits, given back when dropped.
#[must_use = "permits go back when dropped"]
#[derive(Debug)]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl Permit<'_> {
    /// Keeps the permits out of the semaphore for good.
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.add_permits(self.permits);
        }
    }
}

/// Permits that keep their semaphore alive, given back when dropped.
#[must_use = "permits go back when dropped"]
#[derive(Debug)]
pub struct OwnedPermit {
    semaphore: Rc<Semaphore>,
    permits: usize,
}

impl OwnedPermit {
    /// Keeps the permits out of the semaphore for good.
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.add_permits(self.permits);
        }
    }
}
