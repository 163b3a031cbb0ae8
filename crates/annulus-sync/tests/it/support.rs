//! Futures polled by hand, and wakers that count or that come back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future and how often it was woken.
pub struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        // ORDERING: Relaxed; counted and read on one thread, or after a join.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> Task<F> {
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::new(Wakes(AtomicUsize::new(0))) }
    }

    /// As [`Task::new`], polled once, and it must wait.
    pub fn waiting(future: F) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_none(), "it has to wait");
        task
    }

    pub fn poll(&mut self) -> Option<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Times that it was woken.
    pub fn wakes(&self) -> usize {
        // ORDERING: Relaxed; see `wake`.
        self.wakes.0.load(Ordering::Relaxed)
    }

    /// The output; it has been woken exactly once.
    pub fn woken(mut self) -> F::Output {
        assert_eq!(self.wakes(), 1, "it was woken once");
        self.poll().expect("what it was woken for is there")
    }
}

/// The output of a future that need not wait.
pub fn now<F: Future>(future: F) -> F::Output {
    Task::new(future).poll().expect("it need not wait")
}
