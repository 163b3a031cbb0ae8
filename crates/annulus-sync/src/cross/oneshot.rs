//! One value, once, from any thread to any other.
//!
//! | dropped | the other side |
//! |---|---|
//! | the sender, unsent | receives [`Closed`] |
//! | the receiver | `send` gives the value back |

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::blocking::block_on;
use crate::error::{Closed, TryRecvError};
use crate::lock::{Arc, Mutex, lock};

struct State<T> {
    value: Option<T>,
    sender: bool,
    receiver: bool,
    waker: Option<Waker>,
}

/// A pair for one value.
///
/// ```
/// let (sender, receiver) = annulus_sync::cross::oneshot();
/// std::thread::spawn(move || sender.send(7));
/// assert_eq!(receiver.recv_blocking(), Ok(7));
/// ```
pub fn oneshot<T: Send>() -> (OneSender<T>, OneReceiver<T>) {
    let state = State { value: None, sender: true, receiver: true, waker: None };
    let shared = Arc::new(Mutex::new(state));
    (OneSender { shared: shared.clone() }, OneReceiver { shared })
}

/// Sends the value.
pub struct OneSender<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> OneSender<T> {
    /// Sends the value.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = lock(&self.shared);
        if !state.receiver {
            drop(state);
            return Err(value);
        }
        state.value = Some(value);
        Ok(()) // dropping `self` wakes the receiver
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        !lock(&self.shared).receiver
    }
}

impl<T> Drop for OneSender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.sender = false;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> fmt::Debug for OneSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneSender").finish_non_exhaustive()
    }
}

/// The future of the value.
///
/// # Cancel safety
/// Polling it by reference (`(&mut receiver).await`) takes nothing before it is ready.
#[must_use = "futures do nothing unless awaited"]
pub struct OneReceiver<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> OneReceiver<T> {
    /// The value if it is there.
    ///
    /// # Errors
    /// [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        take(&mut lock(&self.shared))
    }

    /// Blocks this thread until the value is there. For threads without a core: on a core it would
    /// stop the tasks.
    ///
    /// # Errors
    /// [`Closed`] if the sender is gone.
    pub fn recv_blocking(self) -> Result<T, Closed> {
        block_on(self)
    }
}

fn take<T>(state: &mut State<T>) -> Result<T, TryRecvError> {
    match state.value.take() {
        Some(value) => Ok(value),
        None if state.sender => Err(TryRecvError::Empty),
        None => Err(TryRecvError::Closed),
    }
}

impl<T> Future for OneReceiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.shared);
        match take(&mut state) {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(TryRecvError::Closed) => Poll::Ready(Err(Closed)),
            Err(TryRecvError::Empty) => {
                let displaced = state.waker.replace(waker);
                drop(state);
                drop(displaced);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for OneReceiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.receiver = false;
        let left = (state.waker.take(), state.value.take());
        drop(state);
        drop(left);
    }
}

impl<T> fmt::Debug for OneReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneReceiver").finish_non_exhaustive()
    }
}
