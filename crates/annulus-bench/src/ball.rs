//! A ball that two tasks of one thread throw to each other: what waking costs, and nothing else.
//!
//! Owns: whose turn it is, and who waits. The same for every runtime, because it uses the wakers of
//! whichever polls it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

/// A ball between side 0 and side 1. Side 0 has it first.
#[derive(Default)]
pub struct Ball {
    at: Cell<usize>,
    waiting: [Cell<Option<Waker>>; 2],
}

impl Ball {
    /// Gives the ball to a side, and wakes it.
    #[inline]
    pub fn throw(&self, side: usize) {
        self.at.set(side);
        if let Some(waker) = self.waiting[side].take() {
            waker.wake();
        }
    }

    /// Waits until a side has the ball.
    #[inline]
    pub fn catch(&self, side: usize) -> impl Future<Output = ()> + '_ {
        poll_fn(move |context| {
            if self.at.get() == side {
                return Poll::Ready(());
            }
            self.waiting[side].set(Some(context.waker().clone()));
            Poll::Pending
        })
    }
}

/// Lets other tasks run once: wakes the task that polls it. For runtimes that have no such
/// function.
pub fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
}
