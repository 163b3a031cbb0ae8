//! One value, once, between two tasks of one core.
//!
//! | dropped | the other side |
//! |---|---|
//! | the sender, unsent | receives [`Closed`] |
//! | the receiver | `send` gives the value back; `closed` is ready |

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::error::{Closed, TryRecvError};

struct State<T> {
    value: Option<T>,
    sender: bool,
    receiver: bool,
    /// Of the side that waits.
    receiving: Option<Waker>,
    closing: Option<Waker>,
}

type Shared<T> = Rc<RefCell<State<T>>>;

/// A pair for one value.
///
/// ```
/// let (sender, mut receiver) = annulus_sync::oneshot::channel();
/// sender.send(7).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(7));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { value: None, sender: true, receiver: true, receiving: None, closing: None };
    let shared = Rc::new(RefCell::new(state));
    (Sender { shared: shared.clone() }, Receiver { shared })
}

/// Sends the value.
pub struct Sender<T> {
    shared: Shared<T>,
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = self.shared.borrow_mut();
        if !state.receiver {
            drop(state);
            return Err(value);
        }
        state.value = Some(value);
        Ok(()) // dropping `self` wakes the receiver
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        !self.shared.borrow().receiver
    }

    /// Waits until the receiver is gone: nobody wants the value any more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    ///
    /// ```
    /// # async fn example() {
    /// let (mut sender, receiver) = annulus_sync::oneshot::channel::<u32>();
    /// drop(receiver);
    /// sender.closed().await; // nobody wants it any more
    /// # }
    /// ```
    pub async fn closed(&mut self) {
        std::future::poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = self.shared.borrow_mut();
            if !state.receiver {
                return Poll::Ready(());
            }
            let displaced = state.closing.replace(waker);
            drop(state);
            drop(displaced);
            Poll::Pending
        })
        .await;
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.borrow_mut();
        state.sender = false;
        let (receiving, closing) = (state.receiving.take(), state.closing.take());
        drop(state);
        // What is left may throw when it is dropped, so the other side is awake by then.
        receiving.into_iter().for_each(Waker::wake);
        drop(closing);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Sender").finish_non_exhaustive()
    }
}

/// The future of the value.
///
/// # Cancel safety
/// Polling it by reference (`(&mut receiver).await`) takes nothing before it is ready.
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T> {
    shared: Shared<T>,
}

impl<T> Receiver<T> {
    /// The value if it is there.
    ///
    /// # Errors
    /// [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = self.shared.borrow_mut();
        match state.value.take() {
            Some(value) => Ok(value),
            None if state.sender => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Closed),
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        match self.try_recv() {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(TryRecvError::Closed) => Poll::Ready(Err(Closed)),
            Err(TryRecvError::Empty) => {
                let displaced = self.shared.borrow_mut().receiving.replace(waker);
                drop(displaced);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.borrow_mut();
        state.receiver = false;
        let (receiving, closing) = (state.receiving.take(), state.closing.take());
        let value = state.value.take();
        drop(state);
        // As above.
        closing.into_iter().for_each(Waker::wake);
        drop((value, receiving));
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Receiver").finish_non_exhaustive()
    }
}
