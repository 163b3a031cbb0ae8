//! A bounded channel from any threads to one.
//!
//! Owns: the queue, its bound, and who waits at either end. Invariants: values in the queue plus
//! room granted to senders that have not taken it yet never exceed the capacity, but for one that
//! went back because a waker threw; a value that a sender was told is sent is received, unless the
//! receiver goes away.
//!
//! | dropped | what happens |
//! |---|---|
//! | a future of `send`, waiting | its value is dropped unsent; room that it was granted goes to the next |
//! | a future of `recv` | nothing |
//! | the last sender | `recv` gives what is queued, then `None` |
//! | the receiver | queued values are dropped; sends, also those that wait, give their values back |

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::blocking::block_on;
use crate::error::{SendError, TryRecvError, TrySendError};
use crate::lock::{Arc, Mutex, MutexGuard, lock};
use crate::waiters::{Queue, Ticket};
use crate::waking::wake_all;

struct State<T> {
    queue: VecDeque<T>,
    capacity: usize,
    /// Room granted to senders that waited and have not taken it yet.
    granted: usize,
    senders: usize,
    receiver: bool,
    receiving: Option<Waker>,
    sending: Queue<Waiter>,
}

struct Waiter {
    granted: bool,
    waker: Option<Waker>,
}

impl<T> State<T> {
    fn has_room(&self) -> bool {
        self.queue.len() + self.granted < self.capacity
    }

    /// Grants room to the sender that has waited longest, if there is both.
    fn grant(&mut self) -> Option<Waker> {
        if !self.has_room() {
            return None;
        }
        let waiter = self.sending.serve()?;
        waiter.granted = true;
        self.granted += 1;
        waiter.waker.take()
    }

    /// Nothing more is received. Gives the wakers of all senders that wait.
    fn close(&mut self) -> Vec<Waker> {
        self.receiver = false;
        let mut wakers = Vec::new();
        while let Some(waiter) = self.sending.serve() {
            wakers.extend(waiter.waker.take());
        }
        wakers
    }

    fn pop(&mut self) -> Result<T, TryRecvError> {
        match self.queue.pop_front() {
            Some(value) => Ok(value),
            None if self.senders > 0 && self.receiver => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Closed),
        }
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
}

/// A channel for at most `capacity` values, at least one, from any threads to one.
///
/// ```
/// use annulus_sync::cross;
///
/// let (sender, mut receiver) = cross::channel(16);
/// let thread = std::thread::spawn(move || {
///     for n in 0..100 {
///         sender.send_blocking(n).expect("the receiver lives");
///     }
/// });
/// let received: Vec<i32> = std::iter::from_fn(|| receiver.recv_blocking()).collect();
/// assert!(received.into_iter().eq(0..100));
/// # thread.join().unwrap();
/// ```
pub fn channel<T: Send>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let capacity = capacity.max(1);
    let state = State {
        queue: VecDeque::with_capacity(capacity.min(1024)),
        capacity,
        granted: 0,
        senders: 1,
        receiver: true,
        receiving: None,
        sending: Queue::new(),
    };
    let shared = Arc::new(Shared { state: Mutex::new(state) });
    (Sender { shared: shared.clone() }, Receiver { shared })
}

/// The sending side: `Send`, `Sync` and `Clone`.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.shared.state)
    }

    /// Sends, after waiting for room. Senders that wait are served in order.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    ///
    /// # Cancel safety
    /// Dropping the future drops the value unsent.
    ///
    /// ```
    /// # async fn example() {
    /// # let (sender, mut receiver) = annulus_sync::cross::channel(16);
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # }
    /// ```
    pub fn send(&self, value: T) -> Sending<'_, T> {
        Sending { sender: self, value: Some(value), ticket: None }
    }

    /// Sends if there is room and no other sender waits for it.
    ///
    /// # Errors
    /// [`TrySendError`], with the value.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let state = self.state();
        if !state.receiver {
            drop(state);
            return Err(TrySendError::Closed(value));
        }
        if !state.has_room() || !state.sending.is_empty() {
            drop(state);
            return Err(TrySendError::Full(value));
        }
        push(state, value);
        Ok(())
    }

    /// Blocks this thread until the value is sent. For threads without a core: on a core it would
    /// stop the tasks.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send(value))
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        !self.state().receiver
    }
}

/// Queues a value for which there is room, and wakes the receiver without the lock.
fn push<T>(mut state: MutexGuard<'_, State<T>>, value: T) {
    state.queue.push_back(value);
    let waker = state.receiving.take();
    drop(state);
    waker.into_iter().for_each(Waker::wake);
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.state().senders += 1;
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.state();
        state.senders -= 1;
        let waker = if state.senders == 0 { state.receiving.take() } else { None };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("cross::Sender").finish_non_exhaustive()
    }
}

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sending<'a, T> {
    sender: &'a Sender<T>,
    value: Option<T>,
    ticket: Option<Ticket>,
}

// The value is moved, never pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Sending<'_, T> {
    fn value(&mut self) -> T {
        self.value.take().expect("a future of `send` was polled after it was ready")
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let this = &mut *self;
        let mut state = this.sender.state();
        let open = state.receiver;
        if let Some(ticket) = this.ticket {
            let waiter = state.sending.at(ticket);
            if open && !waiter.granted {
                let displaced = waiter.waker.replace(waker);
                drop(state);
                drop(displaced);
                return Poll::Pending;
            }
            this.ticket = None;
            let waiter = state.sending.remove(ticket);
            state.granted -= usize::from(waiter.granted);
            if open {
                push(state, this.value());
            } else {
                drop(state);
            }
            drop(waiter);
        } else if open && (!state.has_room() || !state.sending.is_empty()) {
            let waiter = Waiter { granted: false, waker: Some(waker) };
            this.ticket = Some(state.sending.push(waiter));
            return Poll::Pending;
        } else if open {
            push(state, this.value());
        } else {
            drop(state);
        }
        Poll::Ready(if open { Ok(()) } else { Err(SendError(this.value())) })
    }
}

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.sender.state();
        let waiter = state.sending.remove(ticket);
        state.granted -= usize::from(waiter.granted);
        let next = state.grant();
        drop(state);
        drop(waiter);
        next.into_iter().for_each(Waker::wake);
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

/// The receiving side, for one task at a time, on whatever core it is.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.shared.state)
    }

    /// The next value; `None` when all are received and every sender is gone or the channel was
    /// [closed](Self::close). Values of one sender come in its order.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # async fn example() {
    /// # let (sender, mut receiver) = annulus_sync::cross::channel(16);
    /// # sender.send(1).await.unwrap();
    /// # drop(sender);
    /// while let Some(value) = receiver.recv().await {
    ///     println!("{value}");
    /// }
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), to be called from a future's `poll`.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = cx.waker().clone();
        let mut state = self.state();
        match state.pop() {
            Ok(value) => Poll::Ready(Some(self.follow(state, value))),
            Err(TryRecvError::Closed) => Poll::Ready(None),
            Err(TryRecvError::Empty) => {
                let displaced = state.receiving.replace(waker);
                drop(state);
                drop(displaced);
                Poll::Pending
            }
        }
    }

    /// The next value if one is there.
    ///
    /// # Errors
    /// [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = self.state();
        let value = state.pop()?;
        Ok(self.follow(state, value))
    }

    /// Lets a sender have the room of a value that was taken, and gives the value. If the sender's
    /// waker throws, the value goes back to where it was; its room stays the sender's, so nobody
    /// gets any when it is taken again.
    fn follow(&self, mut state: MutexGuard<'_, State<T>>, value: T) -> T {
        let next = state.grant();
        drop(state);
        let Some(next) = next else { return value };
        if let Err(thrown) = catch_unwind(AssertUnwindSafe(|| next.wake())) {
            self.state().queue.push_front(value);
            resume_unwind(thrown);
        }
        value
    }

    /// Blocks this thread until there is a value. For threads without a core: on a core it would
    /// stop the tasks.
    pub fn recv_blocking(&mut self) -> Option<T> {
        block_on(self.recv())
    }

    /// Values that wait to be received.
    pub fn len(&self) -> usize {
        self.state().queue.len()
    }

    /// Whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses further values, also of senders that wait. What was sent can still be received.
    pub fn close(&mut self) {
        let wakers = self.state().close();
        wake_all(wakers);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.state();
        let wakers = state.close();
        let left = (std::mem::take(&mut state.queue), state.receiving.take());
        drop(state);
        // What is left may throw as well when it is dropped, so everybody is awake by then.
        wake_all(wakers);
        drop(left);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("cross::Receiver").finish_non_exhaustive()
    }
}
