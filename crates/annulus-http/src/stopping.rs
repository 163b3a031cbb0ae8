//! How the connections of a server hear that it ends.
//!
//! Owns: the one signal and who listens to it. Invariant: a server that is dropped is not a server
//! that ends: its signal never comes.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use annulus::sync::watch;

/// Tells the connections.
#[derive(Debug)]
pub(crate) struct Stop {
    signal: watch::Sender<bool>,
    listener: Listener,
}

/// One connection's ear.
#[derive(Clone, Debug)]
pub(crate) struct Listener(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        let (signal, receiver) = watch::channel(false);
        Self { signal, listener: Listener(receiver) }
    }

    pub(crate) fn listener(&self) -> Listener {
        self.listener.clone()
    }

    /// Connections finish what they are doing.
    pub(crate) fn request(&self) {
        // It has a receiver: this one.
        let _ = self.signal.send(true);
    }
}

impl Listener {
    /// Ready when the server is to end.
    pub(crate) async fn requested(&mut self) {
        while !*self.0.borrow_and_update() {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Polls `future` to its end, and tells it once when the server is to end.
pub(crate) async fn until_end<F: Future>(
    future: F,
    mut stop: Listener,
    tell: impl Fn(Pin<&mut F>),
) -> F::Output {
    let (mut future, mut requested) = (pin!(future), pin!(stop.requested()));
    let mut told = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        if told || requested.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        told = true;
        tell(future.as_mut());
        future.as_mut().poll(cx)
    })
    .await
}
