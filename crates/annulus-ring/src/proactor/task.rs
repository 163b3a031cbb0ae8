//! A request on its way, and who wants to know its end.
//!
//! Owns: [`Ticket`], and the state in which a request lies still until it has completed. Does not
//! own: the table of requests. Invariant: a request leaves its place only when it has completed, or
//! if it was never encoded.

use core::{fmt, mem, time::Duration};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use annulus_abi::{Cqe, Sqe};

use super::{Shared, request::Request};

/// What the table knows of a request.
pub(super) trait Job: Send + Sync {
    /// Writes the request down.
    fn encode(&self, sqe: &mut Sqe);
    /// The request has completed.
    fn complete(&self, cqe: &Cqe);
}

type Callback<R> = Box<dyn FnOnce(<R as Request>::Output) + Send>;

enum State<R: Request> {
    InFlight(R, Option<Callback<R>>),
    /// It has completed, and its own code, or the callback's, makes something of that.
    Completing,
    Done(R::Output),
    /// The output was taken, or given to a callback; or there is none, because the request's own
    /// code panicked.
    Gone,
}

impl<R: Request> State<R> {
    /// Whether the output is there, or never will be.
    fn has_ended(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Gone)
    }
}

/// A request, in its place.
pub(super) struct Task<R: Request> {
    state: Mutex<State<R>>,
    done: Condvar,
}

impl<R: Request> Task<R> {
    pub(super) fn new(request: R, callback: Option<Callback<R>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::InFlight(request, callback)),
            done: Condvar::new(),
        })
    }

    /// No code of others runs under the lock but `encode` of the request.
    fn locked(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Request> Job for Task<R> {
    fn encode(&self, sqe: &mut Sqe) {
        if let State::InFlight(request, _) = &mut *self.locked() {
            request.encode(sqe);
        }
    }

    fn complete(&self, cqe: &Cqe) {
        /// Ends the completion and wakes whoever waits, also if the request panics.
        struct End<'a, R: Request>(&'a Task<R>);
        impl<R: Request> Drop for End<'_, R> {
            fn drop(&mut self) {
                let mut state = self.0.locked();
                if matches!(*state, State::Completing) {
                    *state = State::Gone;
                }
                drop(state);
                self.0.done.notify_all();
            }
        }

        let mut state = self.locked();
        if !matches!(*state, State::InFlight(..)) {
            return;
        }
        let in_flight = mem::replace(&mut *state, State::Completing);
        drop(state);
        let _end = End(self);
        let State::InFlight(request, callback) = in_flight else {
            unreachable!("it was just looked at");
        };
        let output = request.complete(cqe);
        match callback {
            Some(callback) => callback(output),
            None => *self.locked() = State::Done(output),
        }
    }
}

/// The right to the output of one request.
///
/// Dropping it changes nothing for the request; its output is then dropped by the thread that
/// reaps.
#[must_use = "the output comes to who holds the ticket"]
pub struct Ticket<R: Request> {
    pub(super) task: Arc<Task<R>>,
    pub(super) shared: Arc<Shared>,
    pub(super) user_data: u64,
}

impl<R: Request> Ticket<R> {
    /// Whether the request has completed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.task.locked().has_ended()
    }

    /// Waits for the output. A batch that is being collected is submitted at once.
    ///
    /// # Panics
    /// If [`Request::complete`] panicked. So does [`wait_timeout`](Self::wait_timeout).
    pub fn wait(self) -> R::Output {
        match self.wait_until(None) {
            Ok(output) => output,
            Err(_) => unreachable!("a wait without a limit ends with the output"),
        }
    }

    /// Waits for the output, but no longer than so long.
    ///
    /// # Errors
    /// The ticket, if the time is over.
    pub fn wait_timeout(self, timeout: Duration) -> Result<R::Output, Self> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Asks the kernel to end the request. Its output comes as ever: an error with ECANCELED, or
    /// what it was too late for.
    pub fn cancel(&self) {
        self.shared.cancel(self.user_data);
    }

    fn wait_until(self, deadline: Option<Instant>) -> Result<R::Output, Self> {
        if !self.is_done() {
            self.shared.flush();
        }
        let mut state = self.task.locked();
        loop {
            // A request in flight must not be moved, not even to look at it.
            if state.has_ended() {
                let State::Done(output) = mem::replace(&mut *state, State::Gone) else {
                    panic!("the request panicked when it completed, so it has no output");
                };
                return Ok(output);
            }
            let done = &self.task.done;
            state = match deadline {
                None => done.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(state);
        Err(self)
    }
}

impl<R: Request> fmt::Debug for Ticket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("done", &self.is_done()).finish_non_exhaustive()
    }
}
