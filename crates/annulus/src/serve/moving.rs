//! Connections on their way to another core.
//!
//! Owns: those that are under way from one acceptor, and those that came back. Does not own: which
//! core they go to (`choice`), the socket's way (`net::portable`).
//!
//! ```text
//!   acceptor ── Crossing, in a job ──> the other core: taken, and served there
//!       ^                                  │ it has ended, or ends before it comes to the job
//!       └────────── came back <────────────┘
//! ```
//!
//! Invariant: an acceptor ends when none of its connections is under way, so each is served by one
//! of the two cores: the one that was asked, or else the one that accepted it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::accept::Arrival;
use super::shared::lock;

/// Those of one acceptor.
#[derive(Clone, Default)]
pub(super) struct Moving(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    under_way: usize,
    back: Vec<Arrival>,
    waiting: Option<Waker>,
}

/// One that is under way. If it is dropped, it comes back.
pub(super) struct Crossing {
    arrival: Option<Arrival>,
    home: Moving,
}

impl Moving {
    pub(super) fn depart(&self, arrival: Arrival) -> Crossing {
        lock(&self.0).under_way += 1;
        Crossing { arrival: Some(arrival), home: self.clone() }
    }

    /// Waits until none is under way, or one has come back. `None` when there is neither.
    pub(super) async fn next_back(&self) -> Option<Arrival> {
        poll_fn(|cx| self.poll_back(cx)).await
    }

    fn poll_back(&self, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        let mut state = lock(&self.0);
        match state.back.pop() {
            Some(arrival) => Poll::Ready(Some(arrival)),
            None if state.under_way == 0 => Poll::Ready(None),
            None => {
                state.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Crossing {
    /// It has come to its core.
    pub(super) fn take(mut self) -> Option<Arrival> {
        self.arrival.take()
    }
}

impl Drop for Crossing {
    fn drop(&mut self) {
        let mut state = lock(&self.home.0);
        state.under_way -= 1;
        state.back.extend(self.arrival.take());
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}
