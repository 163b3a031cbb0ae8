//! Stopping gracefully: a core is asked to end, and its tasks see it.
//!
//! Owns: whether and until when a core is stopping, and who waits to hear of it. Does not own: what
//! happens then (the tasks know), nor the end itself (`shutdown`).

use std::io;
use std::task::Poll;

use annulus_task::Waiter;

use super::key::Key;
use super::waiters::Queue;
use super::{Core, State};
use crate::time::Instant;

/// The wish that a core ends.
pub(crate) struct Stop {
    pub(crate) phase: Phase,
    queue: Queue,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Running,
    /// Tasks finish what they have begun, until the deadline if there is one.
    Stopping(Option<Instant>),
}

impl Stop {
    /// Who waits to hear of it.
    pub(crate) fn queue(&self) -> Queue {
        self.queue
    }

    pub(crate) fn new() -> Self {
        Self { phase: Phase::Running, queue: Queue::EMPTY }
    }
}

impl State {
    /// Waits until the phase is not `seen` any more.
    pub(crate) fn poll_stop(
        &mut self,
        seen: Phase,
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<Phase> {
        if self.stop.phase != seen {
            return Poll::Ready(self.stop.phase);
        }
        self.waiters.wait(&mut self.stop.queue, waiter, who);
        Poll::Pending
    }

    pub(crate) fn leave_stop(&mut self, waiter: Key) -> Waiter {
        self.waiters.leave(&mut self.stop.queue, waiter).1
    }
}

impl Core {
    /// Asks the tasks to end. A later call can only bring the deadline nearer.
    pub(crate) fn stop(&self, deadline: Option<Instant>) {
        let mut state = self.state.borrow_mut();
        let nearest = match state.stop.phase {
            Phase::Stopping(Some(before)) => Some(deadline.map_or(before, |now| now.min(before))),
            Phase::Stopping(None) | Phase::Running => deadline,
        };
        state.stop.phase = Phase::Stopping(nearest);
        let queue = state.stop.queue;
        state.wake_all(queue);
        drop(state);
        self.run_after();
    }

    /// Turns until all tasks have ended, or the deadline of the stop is over. Does nothing unless
    /// the core is stopping.
    pub(crate) fn finish_tasks(&self) {
        loop {
            self.executor.drain_inbox();
            self.executor.run(self.budget);
            // Only now: a job or a task may have brought the deadline nearer.
            let Phase::Stopping(deadline) = self.state.borrow().stop.phase else { return };
            let left_ns = deadline.map(|end| end.duration_since(Instant::now()).as_nanos() as u64);
            if self.executor.live_tasks() == 0 || left_ns == Some(0) {
                return;
            }
            self.turn_without_tasks(left_ns);
        }
    }
}

/// The phase of the current core.
pub(crate) fn current_phase() -> io::Result<Phase> {
    super::with_any(|core| core.state.borrow().stop.phase)
}
