//! Waking several at once, whose wakers may throw.
//!
//! Owns: that one that throws keeps nobody behind it asleep. Does not own: who is woken. Invariant:
//! what was thrown first goes on to the caller, once all are awake; a thread that is unwinding
//! already goes on with what it has.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Wakes one after the other, and keeps what the first one threw until it is dropped.
#[derive(Default)]
pub(crate) struct Waking {
    thrown: Option<Box<dyn Any + Send>>,
}

impl Waking {
    pub(crate) fn wake(&mut self, waker: Waker) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) else {
            return;
        };
        match &self.thrown {
            None => self.thrown = Some(payload),
            // Dropping it is user code, too, and may throw once more.
            Some(_) => std::mem::forget(payload),
        }
    }
}

impl Drop for Waking {
    fn drop(&mut self) {
        let Some(payload) = self.thrown.take() else { return };
        if std::thread::panicking() {
            std::mem::forget(payload);
        } else {
            resume_unwind(payload);
        }
    }
}

/// Wakes them all. Called when nothing is borrowed or locked.
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    let mut waking = Waking::default();
    wakers.into_iter().for_each(|waker| waking.wake(waker));
}
