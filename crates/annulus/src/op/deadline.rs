//! An operation that is asked to end by the clock.
//!
//! ```text
//!   running --op ends--------------------------------------> its result
//!      |
//!      +--the time is over--> asked --op ends, cancelled---> TimedOut, with the buffer
//!                               +-----op ends, otherwise---> its result
//! ```

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::outcome::Revise as _;
use super::{Cancelled, OpExt};
use crate::core::end::End;
use crate::time::{Instant, Sleep, sleep_until};

/// The future of [`OpExt::deadline`] and [`OpExt::timeout`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Deadline<F: OpExt> {
    op: F,
    sleep: Sleep,
    over: bool,
}

impl<F: OpExt> Deadline<F> {
    pub(super) fn new(op: F, at: Instant) -> Self {
        Self { op, sleep: sleep_until(at), over: false }
    }

    /// Moves the deadline. Too late if it has passed and this was polled since.
    pub fn reset(&mut self, at: Instant) {
        self.sleep.reset(at);
    }

    fn ended(&mut self, mut output: F::Output) -> F::Output {
        // The timer goes now, not when the future is dropped.
        let at = self.sleep.deadline();
        self.sleep.reset(at);
        if self.over {
            output.revise(&mut |error| Cancelled::replace(error, io::ErrorKind::TimedOut));
        }
        output
    }
}

impl<F: OpExt> Future for Deadline<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if let Poll::Ready(output) = Pin::new(&mut this.op).poll(cx) {
            return Poll::Ready(this.ended(output));
        }
        if this.over {
            return Poll::Pending;
        }
        ready!(Pin::new(&mut this.sleep).poll(cx));
        this.over = true;
        if let Some(output) = this.op.ask_to_end() {
            return Poll::Ready(this.ended(output));
        }
        // Some are ready at once: those that only have to leave a queue.
        match Pin::new(&mut this.op).poll(cx) {
            Poll::Ready(output) => Poll::Ready(this.ended(output)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<F: OpExt> End for Deadline<F> {
    fn ask_to_end(&mut self) -> Option<F::Output> {
        self.op.ask_to_end()
    }
}
