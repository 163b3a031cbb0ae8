//! What a core does when a moment comes: sleeping futures, and bounds on closing and resting.
//!
//! Owns: who sleeps and the meaning of the wheel's tokens. Does not own: the
//! order of moments (the wheel has it), nor the clock.
//!
//! Invariant: an entry is in the wheel or has fired; a dropped sleep takes both away.

use annulus_task::{RunQueue, TaskId, Waiter};

use super::State;
use super::key::{GENERATION_MASK, Key, NONE, next_generation};
use super::wheel::TimerKey;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// A sleeping future.
    Sleep(Key),
    /// The time that a closed socket has to send its queued bytes.
    Flush(Key),
    /// The pause of a listener that ran out of descriptors.
    AcceptRest(Key),
}

impl Due {
    /// As the wheel carries it.
    pub(crate) fn token(self) -> u64 {
        let (kind, key) = match self {
            Self::Sleep(key) => (0, key),
            Self::Flush(key) => (1, key),
            Self::AcceptRest(key) => (2, key),
        };
        kind << 60 | u64::from(key.generation) << 32 | u64::from(key.index)
    }

    pub(crate) fn from_token(token: u64) -> Self {
        let generation = (token >> 32) as u32 & GENERATION_MASK;
        let key = Key { index: token as u32, generation };
        match token >> 60 {
            0 => Self::Sleep(key),
            1 => Self::Flush(key),
            _ => Self::AcceptRest(key),
        }
    }
}

struct Sleep {
    deadline_ns: u64,
    generation: u32,
    next_free: u32,
    /// In the wheel, or given up by it for a paused clock; `None` once fired.
    timer: Option<TimerKey>,
    who: Waiter,
}

/// The sleeping futures of a core.
pub(crate) struct Sleeps {
    sleeps: Vec<Sleep>,
    free: u32,
}

impl Sleeps {
    pub(crate) fn new() -> Self {
        Self { sleeps: Vec::new(), free: NONE }
    }

    fn get(&mut self, key: Key) -> Option<&mut Sleep> {
        self.sleeps.get_mut(key.index as usize).filter(|sleep| sleep.generation == key.generation)
    }

    fn take(&mut self) -> Key {
        if self.free == NONE {
            let index = self.sleeps.len() as u32;
            self.sleeps.push(Sleep {
                deadline_ns: 0,
                generation: 0,
                next_free: NONE,
                timer: None,
                who: Waiter::default(),
            });
            return Key { index, generation: 0 };
        }
        let index = self.free;
        let sleep = &mut self.sleeps[index as usize];
        self.free = sleep.next_free;
        Key { index, generation: sleep.generation }
    }

    /// When the sleeps that are not over will be, with the tasks that they wake, for people.
    pub(crate) fn tasks<'a>(
        &'a self,
        of: &'a RunQueue,
    ) -> impl Iterator<Item = (u64, TaskId)> + 'a {
        self.sleeps.iter().filter(|sleep| sleep.timer.is_some()).filter_map(|sleep| {
            // SAFETY: who waits was noted by this core's executor, whose queue this is; a core is
            // looked at while that lives.
            let task = unsafe { of.task_of(&sleep.who) }?;
            Some((sleep.deadline_ns, task))
        })
    }

    /// Whether a sleep is not over.
    pub(crate) fn waits(&mut self, key: Key) -> bool {
        self.deadline_ns(key).is_some()
    }

    /// When a sleep that is not over will be.
    pub(crate) fn deadline_ns(&mut self, key: Key) -> Option<u64> {
        self.get(key).filter(|sleep| sleep.timer.is_some()).map(|sleep| sleep.deadline_ns)
    }

    fn release(&mut self, key: Key) -> (Option<TimerKey>, Waiter) {
        let free = self.free;
        let Some(sleep) = self.get(key) else {
            return (None, Waiter::default());
        };
        sleep.generation = next_generation(sleep.generation);
        sleep.next_free = free;
        let left = (sleep.timer.take(), std::mem::take(&mut sleep.who));
        self.free = key.index;
        left
    }
}

impl State {
    /// Starts a sleep until `deadline_ns`.
    pub(crate) fn start_sleep(&mut self, deadline_ns: u64, who: Waiter) -> Key {
        let key = self.sleeps.take();
        let timer = self.wheel.insert(deadline_ns, Due::Sleep(key).token());
        self.has_chores = true;
        if let Some(sleep) = self.sleeps.get(key) {
            sleep.deadline_ns = deadline_ns;
            sleep.timer = Some(timer);
            sleep.who = who;
        }
        self.note_timers();
        key
    }

    /// Ends a sleep if it has fired; whether it has.
    pub(crate) fn end_sleep_if_over(&mut self, key: Key) -> bool {
        if self.sleeps.waits(key) {
            return false;
        }
        // Who slept was taken by what woke it, so nothing of the user's is dropped here.
        let (timer, who) = self.sleeps.release(key);
        debug_assert!(timer.is_none() && who.is_none(), "who slept was not woken");
        true
    }

    /// Notes who sleeps now. What is left in `who` is to be dropped when nothing of the core is
    /// borrowed.
    pub(crate) fn note_sleeper(&mut self, key: Key, who: &mut Waiter) {
        if let Some(sleep) = self.sleeps.get(key) {
            std::mem::swap(&mut sleep.who, who);
        }
    }

    /// Ends a sleep, fired or not.
    pub(crate) fn end_sleep(&mut self, key: Key) -> Waiter {
        let (timer, who) = self.sleeps.release(key);
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
            self.note_timers();
        }
        who
    }

    /// Does what is due now.
    pub(crate) fn expire_timers(&mut self, now_ns: u64) {
        self.wheel.advance(now_ns);
        while let Some(token) = self.wheel.pop_expired() {
            self.happen(Due::from_token(token));
        }
        self.note_timers();
    }

    /// Does what is due.
    pub(crate) fn happen(&mut self, due: Due) {
        match due {
            Due::Sleep(key) => self.fire_sleep(key),
            Due::Flush(key) => self.end_flush(key),
            Due::AcceptRest(key) => self.end_accept_rest(key),
        }
    }

    pub(crate) fn fire_sleep(&mut self, key: Key) {
        let Some(sleep) = self.sleeps.get(key) else {
            return;
        };
        sleep.timer = None;
        self.counters.timers_fired.add(1);
        let who = std::mem::take(&mut sleep.who);
        self.wake_waiter(who);
    }
}
