//! What a core does when a moment comes: sleeping futures, and bounds on closing and resting.
//!
//! Owns: what can be due, and who sleeps. Does not own: the order of moments (the wheel has it),
//! nor the clock.
//!
//! Invariant: a sleep is over exactly when its timer is no longer in the wheel; what wakes a
//! sleeper takes the timer out, and so does a sleep that is dropped.

use annulus_task::{RunQueue, TaskId, Waiter};

use super::State;
use super::clock::END_NS;
use super::key::Key;
use super::wheel::{TICK_NS, TimerKey};

/// What is due.
#[derive(Debug)]
pub(crate) enum Due {
    /// A sleeping future.
    Sleep(Waiter),
    /// The time that a closed socket has to send its queued bytes.
    Flush(Key),
    /// The pause of a listener that ran out of descriptors.
    AcceptRest(Key),
}

impl State {
    /// Arms a timer.
    pub(crate) fn start_timer(&mut self, deadline_ns: u64, due: Due) -> TimerKey {
        let timer = self.wheel.insert(deadline_ns, due);
        self.has_chores = true;
        self.note_timers();
        timer
    }

    /// Takes a timer away, due or not.
    pub(crate) fn end_timer(&mut self, timer: TimerKey) -> Option<Due> {
        let due = self.wheel.cancel(timer)?;
        self.note_timers();
        Some(due)
    }

    /// Whether a sleep is over.
    pub(crate) fn is_sleep_over(&mut self, timer: TimerKey) -> bool {
        self.wheel.get_mut(timer).is_none()
    }

    /// Notes who sleeps now; false if the sleep is over. What is left in `who` is to be dropped
    /// when nothing of the core is borrowed.
    pub(crate) fn note_sleeper(&mut self, timer: TimerKey, who: &mut Waiter) -> bool {
        let Some(Due::Sleep(sleeper)) = self.wheel.get_mut(timer) else {
            return false;
        };
        std::mem::swap(sleeper, who);
        true
    }

    /// When the sleeps will be over, with the tasks that they wake, for people.
    pub(crate) fn sleepers<'a>(
        &'a self,
        of: &'a RunQueue,
    ) -> impl Iterator<Item = (u64, TaskId)> + 'a {
        self.wheel.iter().filter_map(|(deadline_ns, due)| {
            let Due::Sleep(who) = due else { return None };
            // SAFETY: who waits was noted by this core's executor, whose queue this is; a core is
            // looked at while that lives.
            let task = unsafe { of.task_of(who) }?;
            Some((deadline_ns, task))
        })
    }

    /// Does what is due by the running clock.
    pub(crate) fn expire_timers(&mut self, now_ns: u64) {
        self.wheel.advance(now_ns);
        while let Some(due) = self.wheel.pop_expired() {
            self.happen(due);
        }
        self.note_timers();
    }

    /// Does what is due by a clock that a test holds: by the deadline, not by the wheel's tick.
    pub(crate) fn expire_timers_exactly(&mut self, now_ns: u64) {
        self.wheel.advance(now_ns.checked_next_multiple_of(TICK_NS).unwrap_or(END_NS));
        let due = |(deadline_ns, _): &(u64, TimerKey)| *deadline_ns <= now_ns;
        let mut timers: Vec<_> = self.wheel.expired().filter(due).collect();
        timers.sort_by_key(|(deadline_ns, _)| *deadline_ns);
        for (_, timer) in timers {
            if let Some(due) = self.wheel.cancel(timer) {
                self.happen(due);
            }
        }
        self.note_timers();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Sleep(who) => {
                self.counters.timers_fired.add(1);
                self.wake_waiter(who);
            }
            Due::Flush(key) => self.end_flush(key),
            Due::AcceptRest(key) => self.end_accept_rest(key),
        }
    }
}
