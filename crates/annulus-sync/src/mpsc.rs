//! Channels between tasks of one core: many senders, one receiver.
//!
//! Owns: the queue and who waits on it. A bounded channel gives out its room through a
//! [`Semaphore`], so senders that wait are served in order. Invariant: what a
//! sender was told is sent is received, unless the receiver goes away.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::error::{SendError, TryAcquireError, TryRecvError, TrySendError};
use crate::semaphore::Semaphore;

struct Shared<T> {
    state: RefCell<State<T>>,
    /// Room in the queue; `None` if there is no bound.
    room: Option<Semaphore>,
}

struct State<T> {
    queue: VecDeque<T>,
    /// The room of the first value was given on already.
    given: bool,
    senders: usize,
    receiver: bool,
    receiving: Option<Waker>,
}

/// A channel for at most `capacity` values, at least one.
///
/// ```
/// let (sender, mut receiver) = annulus_sync::mpsc::channel(1);
/// sender.try_send(1).unwrap();
/// assert!(sender.try_send(2).is_err(), "it is full");
/// assert_eq!(receiver.try_recv(), Ok(1));
/// sender.try_send(2).unwrap();
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::new(Some(Semaphore::new(capacity.max(1))));
    (Sender { shared: shared.clone() }, Receiver { shared })
}

/// A channel without a bound: sending never waits, and nothing keeps it from growing.
pub fn unbounded<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let shared = Shared::new(None);
    (UnboundedSender { shared: shared.clone() }, Receiver { shared })
}

impl<T> Shared<T> {
    fn new(room: Option<Semaphore>) -> Rc<Self> {
        let state = State {
            queue: VecDeque::new(),
            given: false,
            senders: 1,
            receiver: true,
            receiving: None,
        };
        Rc::new(Self { state: RefCell::new(state), room })
    }

    fn push(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.state.borrow_mut();
        if !state.receiver {
            drop(state);
            return Err(SendError(value));
        }
        state.queue.push_back(value);
        let waker = state.receiving.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn pop(&self) -> Result<T, TryRecvError> {
        let mut state = self.state.borrow_mut();
        if let Some(room) = &self.room {
            if !state.queue.is_empty() && !std::mem::replace(&mut state.given, true) {
                drop(state);
                // Who gets the room may have a waker that throws: the value is taken after that.
                room.add_permits(1);
                state = self.state.borrow_mut();
            }
        }
        match state.queue.pop_front() {
            Some(value) => {
                state.given = false;
                Ok(value)
            }
            None if state.senders > 0 && state.receiver => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Closed),
        }
    }

    fn add_sender(&self) {
        self.state.borrow_mut().senders += 1;
    }

    fn remove_sender(&self) {
        let mut state = self.state.borrow_mut();
        state.senders -= 1;
        let waker = if state.senders == 0 { state.receiving.take() } else { None };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn is_closed(&self) -> bool {
        !self.state.borrow().receiver
    }
}

/// The sending side of a bounded channel.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    fn room(&self) -> &Semaphore {
        self.shared.room.as_ref().expect("a bounded channel has a semaphore")
    }

    /// Sends, after waiting for room.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    ///
    /// # Cancel safety
    /// Dropping the future drops the value unsent. Use [`reserve`](Self::reserve) to keep it.
    ///
    /// ```
    /// # async fn example() {
    /// # let (sender, mut receiver) = annulus_sync::mpsc::channel(8);
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # }
    /// ```
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.room().acquire(1).await {
            Ok(permit) => permit.forget(),
            Err(_closed) => return Err(SendError(value)),
        }
        self.shared.push(value)
    }

    /// Waits for room for one value, and keeps it.
    ///
    /// # Errors
    /// If the receiver is gone.
    ///
    /// # Cancel safety
    /// Dropping the future loses only the place in the queue of senders.
    ///
    /// ```
    /// # async fn example() {
    /// # let (sender, mut receiver) = annulus_sync::mpsc::channel(8);
    /// let slot = sender.reserve().await.unwrap();
    /// slot.send(1).unwrap(); // without waiting
    /// # receiver.recv().await;
    /// # }
    /// ```
    pub async fn reserve(&self) -> Result<Slot<'_, T>, SendError<()>> {
        match self.room().acquire(1).await {
            Ok(permit) => permit.forget(),
            Err(_closed) => return Err(SendError(())),
        }
        Ok(Slot { sender: Some(self) })
    }

    /// Sends if there is room and no other sender waits for it.
    ///
    /// # Errors
    /// [`TrySendError`], with the value.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.room().try_acquire(1) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(TrySendError::Full(value)),
            Err(TryAcquireError::Closed) => return Err(TrySendError::Closed(value)),
        }
        self.shared.push(value).map_err(|SendError(value)| TrySendError::Closed(value))
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

/// Room for one value in a bounded channel, given back if it is dropped unused.
#[must_use = "the room goes back when dropped"]
pub struct Slot<'a, T> {
    sender: Option<&'a Sender<T>>,
}

impl<T> Slot<'_, T> {
    /// Sends without waiting.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    pub fn send(mut self, value: T) -> Result<(), SendError<T>> {
        match self.sender.take() {
            Some(sender) => sender.shared.push(value),
            None => Err(SendError(value)),
        }
    }
}

impl<T> Drop for Slot<'_, T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender {
            sender.room().add_permits(1);
        }
    }
}

/// The sending side of a channel without a bound.
pub struct UnboundedSender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> UnboundedSender<T> {
    /// Sends at once.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.shared.push(value)
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

/// The receiving side.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// The next value, in the order of sending; `None` when all are received and every sender is
    /// gone or the channel was [closed](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # async fn example() {
    /// # let (sender, mut receiver) = annulus_sync::mpsc::channel(8);
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
        match self.shared.pop() {
            Ok(value) => return Poll::Ready(Some(value)),
            Err(TryRecvError::Closed) => return Poll::Ready(None),
            Err(TryRecvError::Empty) => {}
        }
        // User code, perhaps, which may even send: so the queue is looked at again.
        let waker = cx.waker().clone();
        match self.shared.pop() {
            Ok(value) => Poll::Ready(Some(value)),
            Err(TryRecvError::Closed) => Poll::Ready(None),
            Err(TryRecvError::Empty) => {
                let displaced = self.shared.state.borrow_mut().receiving.replace(waker);
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
        self.shared.pop()
    }

    /// Values that wait to be received.
    pub fn len(&self) -> usize {
        self.shared.state.borrow().queue.len()
    }

    /// Whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses further values. What was sent can still be received.
    pub fn close(&mut self) {
        self.shared.state.borrow_mut().receiver = false;
        if let Some(room) = &self.shared.room {
            room.close();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.borrow_mut();
        let left = (std::mem::take(&mut state.queue), state.receiving.take());
        drop(state);
        // Senders are awake when what is left is dropped; that happens also if one's waker throws.
        self.close();
        drop(left);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T> Drop for UnboundedSender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::UnboundedSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Slot<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::Slot").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
