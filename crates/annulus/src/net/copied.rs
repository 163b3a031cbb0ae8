//! Reading what has been received by copying it: into several buffers, or without using it up.
//!
//! Owns: the future of `read_vectored` and `peek`. Does not own: receiving straight into a buffer
//! (`read`), how parts are filled (`core/scatter`).
//!
//! Invariant: a byte is copied in the same poll in which the future completes, so dropping it
//! earlier loses none.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::recv::{Place, Queue};
use super::stream::flatten;
use crate::buf::{BufError, BufResult};
use crate::core::end::End;
use crate::core::key::Key;
use crate::core::scatter::{Scatter, Seen};
use crate::core::{Owned, State, errors};

/// Waits for received bytes and copies as many of them as there is room for.
pub(super) struct Copied<S: Scatter> {
    place: Place,
    into: Option<S>,
    /// They are used up.
    takes: bool,
}

impl<S: Scatter> Unpin for Copied<S> {}

impl<S: Scatter> Copied<S> {
    pub(super) fn new(owned: &Owned, into: S, takes: bool) -> Self {
        Self { place: Place::new(owned, Queue::Received), into: Some(into), takes }
    }

    fn finish(&mut self, result: io::Result<()>) -> BufResult<usize, S::Bufs> {
        self.place.leave();
        let into = self.into.take().expect("a read was polled after it had completed");
        match result {
            Ok(()) => Ok(into.finish()),
            Err(error) => Err(BufError::new(error, into.give_up())),
        }
    }
}

/// Copies what is there for this reader.
fn copy<S: Scatter>(
    state: &mut State,
    (key, waiter): (Key, Option<Key>),
    into: &mut S,
    takes: bool,
) -> io::Result<Seen> {
    state.copy_received((key, waiter), takes, |bytes| into.put(bytes))
}

impl<S: Scatter> Future for Copied<S> {
    type Output = BufResult<usize, S::Bufs>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(into) = &mut this.into else {
            panic!("a read was polled after it had completed");
        };
        if into.room() == 0 {
            return Poll::Ready(this.finish(Err(errors::no_capacity())));
        }
        let takes = this.takes;
        let polled = this.place.poll(cx, |state, key, waiter, who| {
            match copy(state, (key, *waiter), into, takes) {
                Err(error) => Poll::Ready(Err(error)),
                Ok(Seen::Some | Seen::Eof) => Poll::Ready(Ok(())),
                Ok(Seen::Failed(errno)) => Poll::Ready(Err(errors::of_receive(errno))),
                Ok(Seen::Nothing) => {
                    state.wait_received(key, waiter, who);
                    state.arm_recv(key);
                    Poll::Pending
                }
                Ok(Seen::NotYourTurn) => {
                    state.wait_received(key, waiter, who);
                    Poll::Pending
                }
            }
        });
        flatten(polled).map(|result| this.finish(result))
    }
}

impl<S: Scatter> End for Copied<S> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let (into, takes) = (self.into.as_mut()?, self.takes);
        let seen =
            self.place.look(|state, key, waiter| copy(state, (key, Some(waiter)), into, takes));
        Some(match seen {
            Some(Ok(Seen::Some | Seen::Eof)) => self.finish(Ok(())),
            Some(Ok(Seen::Failed(errno))) => self.finish(Err(errors::of_receive(errno))),
            Some(Err(error)) => self.finish(Err(error)),
            Some(Ok(Seen::Nothing | Seen::NotYourTurn)) | None => {
                self.finish(Err(errors::cancelled()))
            }
        })
    }
}
