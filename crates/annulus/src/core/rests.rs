//! What a core does when the kernel refuses, again and again, what it lives by: to be entered, and
//! to wait for the bell.
//!
//! Such an error passes, so at first it is simply tried again. One that lasts would keep the core
//! at that for ever, and a CPU with it.
//!
//! | refused | at first | when it lasts |
//! |---|---|---|
//! | io_uring_enter(2): EAGAIN, EBUSY | the next turn enters again | a core without work sleeps before that, each time twice as long, up to 12.8 ms, but no longer than to its next timer |
//! | the request that ends when the bell is rung | made again before the next wait | the core waits without it, 10 ms at most, then makes it again |
//!
//! Owns: how often is at first, and how long the pauses are. Does not own: the calls (the turn),
//! nor the bell. Invariants: nothing that another thread sends is lost: it lies in the inbox, and
//! the core looks there after each pause; time is that of the kernel, also while the core's clock
//! is paused.

use std::time::Duration;

use annulus_ring::Kernel as _;
use annulus_ring::abi::Errno;

use super::State;

/// How often in a row the kernel may refuse before the core takes a rest.
const AT_ONCE: u32 = 16;
/// Refusals are in a row although there were others between them of which nobody is told: what
/// looks for room in the queue enters as well.
const IN_A_ROW: u64 = 4;
/// The first pause between two calls of enter.
const ENTER_NS: u64 = 100_000;
/// How often it is doubled, at most.
const DOUBLINGS: u32 = 7;
/// How long a core waits at most that cannot be rung.
const BELL_NS: u64 = 10_000_000;

/// What was refused lately.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    /// Calls of enter in a row.
    refused: u32,
    /// Which the last of them was.
    call: u64,
    /// What had been consumed, and how much had come, at the last of them.
    progress: (u64, u64),
    /// Waits for the bell in a row that ended though nobody rang.
    unrung: u32,
    /// When the next one may begin.
    bell_due_ns: u64,
}

impl Rests {
    /// The so manieth call of enter was refused. How long to rest before the next.
    fn refuse(&mut self, call: u64, progress: (u64, u64)) -> Option<Duration> {
        let lasts = self.progress == progress && call.wrapping_sub(self.call) <= IN_A_ROW;
        (self.call, self.progress) = (call, progress);
        self.refused = if lasts { self.refused.saturating_add(1) } else { 1 };
        let doublings = self.refused.checked_sub(AT_ONCE + 1)?.min(DOUBLINGS);
        Some(Duration::from_nanos(ENTER_NS << doublings))
    }
}

impl State {
    /// io_uring_enter(2) has no memory for a request, or wants completions to be reaped first. A
    /// core that is idle has nothing to do but to ask again.
    #[cold]
    pub(crate) fn enter_refused(&mut self, errno: Errno, is_idle: bool) {
        let consumed = self.ring.sq_tail().wrapping_sub(u64::from(self.ring.sq_pending()));
        let progress = (consumed, self.counters.cqes.read());
        match self.rests.refuse(self.counters.enters(), progress) {
            Some(pause) if is_idle => std::thread::sleep(self.until_timer_at_most(pause)),
            _ if errno.0 == libc::EAGAIN => std::thread::yield_now(),
            _ => {}
        }
    }

    /// A pause, or less if a timer is due before its end.
    fn until_timer_at_most(&mut self, pause: Duration) -> Duration {
        if self.wheel.len() == 0 || self.clock.is_paused() {
            return pause;
        }
        let until_ns = self.until_next_timer(Some(pause.as_nanos() as u64));
        until_ns.map_or(pause, Duration::from_nanos)
    }

    /// The request of the bell has ended: it was rung, or the core ends, or for nothing.
    #[inline(never)]
    pub(crate) fn on_bell(&mut self, res: i32) {
        self.bell_armed = false;
        if self.bell.has_ended(res) {
            self.counters.bell_rings.add(1);
            self.rests.unrung = 0;
        } else {
            self.rests.unrung = self.rests.unrung.saturating_add(1);
            self.rests.bell_due_ns = self.ring.kernel().now().saturating_add(BELL_NS);
        }
    }

    /// Whether the core waits without its bell for a while.
    #[cold]
    pub(crate) fn bell_rests(&mut self) -> bool {
        self.rests.unrung > AT_ONCE && self.ring.kernel().now() < self.rests.bell_due_ns
    }

    /// How long a wait may last that cannot be ended from elsewhere: until the bell is armed again.
    #[cold]
    pub(crate) fn until_bell(&mut self, timeout_ns: Option<u64>) -> Option<u64> {
        if self.stopping {
            return timeout_ns;
        }
        let left_ns = self.rests.bell_due_ns.saturating_sub(self.ring.kernel().now());
        Some(timeout_ns.map_or(left_ns, |timeout_ns| timeout_ns.min(left_ns)))
    }
}

#[cfg(test)]
mod tests;
