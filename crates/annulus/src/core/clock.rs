//! What time it is on a core: the kernel's clock, or a clock that a test holds in its hand.
//!
//! ```text
//!              pause                     advance(d), or auto-advance: + d
//!   running  ---------->   paused    --------------------------------------> paused
//!   kernel's             stands still
//!   clock + offset <------------------ resume: runs on from where it stood
//! ```
//!
//! Owns: the reading of the clock that timers go by. Does not own: the timers (`wheel`, `timers`),
//! nor when a core sleeps (the turn).
//!
//! Invariants: the clock never goes back, and stands still at the end of time; while it is paused,
//! what is due happens at exactly its deadline, in the order of deadlines; the wheel is less than
//! one of its ticks ahead of a paused clock whenever anybody can look at the two.
//!
//! **Two clocks.** Deadlines, and how far they are, are moments of this one. What is about the real
//! world (spinning, the end of the core, stalls, and `samples`, which say how long a task has
//! waited) goes by the kernel's clock alone: moments of the two are never compared.
//!
//! **Auto-advance.** A core with a paused clock that would otherwise sleep moves the clock to its
//! next timer instead. What may still happen by itself comes first: jobs on other threads, and
//! requests that the kernel ends without anybody's help (a second of real time at most, for some
//! never end). After anything has completed it looks a millisecond longer, for answers of peers.

use annulus_ring::Kernel;
use annulus_ring::abi::Errno;

use super::key::Key;
use super::table::{Lane, Phase};
use super::{Core, State};

/// The clock of a core.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How far it is ahead of the kernel's clock, and how far behind: one of them is 0.
    ahead_ns: u64,
    behind_ns: u64,
    /// Where it stands, if it is paused.
    paused_ns: Option<u64>,
    /// Completions that had been reaped when the clock was moved last.
    cqes: u64,
}

/// How often a paused core that may not move its clock looks whether it may now.
const LOOK_NS: u64 = 1_000_000;
/// How many looks requests in flight hold the clock, if nothing completes meanwhile.
const LOOKS_MAX: u32 = 1000;
/// Not a moment but "never".
const NEVER_NS: u64 = u64::MAX;
/// The end of time: what is later never comes.
pub(super) const END_NS: u64 = NEVER_NS - 1;

impl Clock {
    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused_ns.is_some()
    }

    /// The time on it.
    #[inline]
    pub(crate) fn now_ns(&self, kernel: &(impl Kernel + ?Sized)) -> u64 {
        match self.paused_ns {
            None => self.running_ns(kernel.now()),
            Some(paused_ns) => paused_ns,
        }
    }

    /// What it says, if it runs, when the kernel's clock says this.
    #[inline]
    fn running_ns(&self, kernel_ns: u64) -> u64 {
        kernel_ns.saturating_sub(self.behind_ns).saturating_add(self.ahead_ns).min(END_NS)
    }
}

impl State {
    /// The time on this core's clock.
    #[inline]
    pub(crate) fn now_ns(&mut self) -> u64 {
        self.clock.now_ns(self.ring.kernel())
    }

    /// Stops the clock. False if it stands already.
    pub(crate) fn pause_clock(&mut self) -> bool {
        if self.clock.is_paused() {
            return false;
        }
        let now_ns = self.now_ns();
        self.clock.paused_ns = Some(now_ns);
        self.clock.cqes = self.counters.cqes.read();
        self.has_chores = true;
        true
    }

    /// Lets the clock run on from where it stands. False if it runs already.
    pub(crate) fn resume_clock(&mut self) -> bool {
        let Some(paused_ns) = self.clock.paused_ns else {
            return false;
        };
        // The wheel may be a part of a tick ahead, and does not go back.
        let now_ns = paused_ns.max(self.wheel.now_ns());
        if now_ns > paused_ns {
            self.move_clock(now_ns);
        }
        self.clock.paused_ns = None;
        let kernel_ns = self.ring.kernel().now();
        self.clock.ahead_ns = now_ns.saturating_sub(kernel_ns);
        self.clock.behind_ns = kernel_ns.saturating_sub(now_ns);
        true
    }

    /// Moves the paused clock on by so much. False if it runs.
    pub(crate) fn advance_clock(&mut self, by_ns: u64) -> bool {
        let Some(paused_ns) = self.clock.paused_ns else {
            return false;
        };
        self.move_clock(paused_ns.saturating_add(by_ns).min(END_NS));
        true
    }

    /// Does what is due by the running clock. What is due by a paused one was done when it moved.
    #[inline]
    pub(crate) fn expire(&mut self) {
        if !self.clock.is_paused() {
            // One look at the kernel's clock is enough for both.
            let (_, kernel_ns) = self.sample();
            self.expire_timers(self.clock.running_ns(kernel_ns));
        }
    }

    fn move_clock(&mut self, now_ns: u64) {
        self.clock.paused_ns = Some(now_ns);
        self.clock.cqes = self.counters.cqes.read();
        self.expire_timers_exactly(now_ns);
    }

    /// Moves the paused clock to the next timer, or to `bound_ns` from now if that is sooner. False
    /// if there is neither.
    fn advance_to_next(&mut self, bound_ns: Option<u64>) -> bool {
        let Some(paused_ns) = self.clock.paused_ns else {
            return false;
        };
        let bound_ns = bound_ns.map_or(NEVER_NS, |bound_ns| paused_ns.saturating_add(bound_ns));
        loop {
            // What the wheel has given up is earlier than all that it has.
            let first_ns = self.wheel.expired().map(|(deadline_ns, _)| deadline_ns).min();
            let next_ns = first_ns.or_else(|| self.wheel.next_deadline_ns()).unwrap_or(NEVER_NS);
            if next_ns.min(bound_ns) == NEVER_NS {
                return false;
            }
            if first_ns.is_some() || bound_ns < next_ns {
                // What was due when the clock was stopped is late, and does not turn it back.
                self.move_clock(next_ns.min(bound_ns).max(paused_ns));
                return true;
            }
            // A slot of the wheel may only move down a level: then there is more to look for.
            self.wheel.advance(next_ns);
        }
    }

    /// Whether the kernel has requests that it ends by itself, not when a peer sends something.
    fn awaits_kernel(&mut self) -> bool {
        let live = self.table.live();
        let waits = |key: Key| {
            let slot = self.table.at(key.index);
            slot.phase() != Phase::Done && slot.lane() != Lane::Recv
        };
        live.into_iter().any(waits) || self.closes + self.cancels > 0
    }
}

impl Core {
    /// The wait of a core whose clock is paused: moves the clock rather than sleep.
    #[cold]
    pub(crate) fn wait_paused(
        &self,
        state: &mut State,
        bound_ns: Option<u64>,
    ) -> Result<(), Errno> {
        let mut looks = 0;
        loop {
            let answers = looks == 0 && state.counters.cqes.read() != state.clock.cqes;
            let requests = looks < LOOKS_MAX && state.awaits_kernel();
            let looks_on = answers || requests || self.blocking.is_busy();
            // Without a timer this is a sleep like any other.
            let timers = bound_ns.is_some() || state.wheel.next_deadline_ns().is_some();
            let mut timeout_ns = (looks_on || timers).then_some(LOOK_NS);
            if !state.again.is_empty() {
                state.cancel_again();
                timeout_ns = state.until_cancel_again(timeout_ns);
            }
            state.arm_bell();
            if !state.bell_armed {
                timeout_ns = state.until_bell(timeout_ns);
            }
            state.note_wait();
            self.executor.sleep(|may_block| {
                let wait = may_block
                    && (looks_on || !timers)
                    && state.unsent.is_empty()
                    && state.ring.cq_ready() == 0;
                let entered = state.ring.submit_and_wait(u32::from(wait), timeout_ns);
                state.submitted();
                entered.map(drop)
            })?;
            let more = state.ring.cq_ready() > 0
                || state.ring.overflowed()
                || !state.unsent.is_empty()
                || !self.executor.is_idle();
            if more {
                return Ok(());
            }
            if !looks_on {
                state.advance_to_next(bound_ns);
                return Ok(());
            }
            looks += 1;
        }
    }
}
