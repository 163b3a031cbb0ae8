//! How a core waits: in three ways, the dearest first.
//!
//! ```text
//!   spinning   looks at the CQ and the TASKRUN flag      if asked for, while it pays
//!   lightly    asleep, with a timer each millisecond     while recently busy
//!   deeply     asleep, with nothing but the next timer   else
//! ```
//!
//! **Lightly.** A CPU that falls idle stops its tick and starts it again with the next interrupt.
//! Where that means to leave a virtual machine it costs more than the wait's own work. The kernel
//! leaves the tick alone if a timer is due sooner than the next tick, so a busy core keeps a
//! multishot TIMEOUT of one millisecond armed. (The timeout of the wait itself is of no use: it is
//! cancelled and made again with each wait.)
//!
//! Owns: when the timer is armed and for how long ([`Tick`]), and when spinning pays ([`Spin`]).
//! Does not own: the sleep itself (the turn), nor the deadlines (the wheel).
//!
//! | the timer is | | becomes |
//! |---|---|---|
//! | idle | 8 waits with nothing to submit | armed for 1 ms |
//! | armed for n ms | has ended, there were 2n such waits or more | armed for 2n ms, at most 8 |
//! | armed for n ms | has ended, there were fewer | idle |
//! | armed | the core ends | cancelled, then off |
//!
//! Invariants: no clock is read, the timer itself is the measure; a request of the timer ends by
//! itself within 8 ms, so no cancel can be lost; its completions wake no task and count as no work;
//! a core without work has no timer within 16 ms of its last completion.
//!
//! Only waits with nothing to submit count, because such a wait is known to sleep: what completes
//! inline (a read from the page cache, a send) needs no tick.

use annulus_ring::Kernel as _;
use annulus_ring::abi::{Cqe, Errno, Sqe, TimeoutFlags, Timespec};
use annulus_ring::op::{Op as _, Timeout};

use super::key::{Key, Kind, user_data};
use super::{Core, State};

/// The period. A static, because the kernel may read it as late as it takes the entry.
static MILLISECOND: Timespec = Timespec { sec: 0, nsec: 1_000_000 };

/// Waits that make the first timer worth its wake-up.
const WAITS_TO_BEGIN: u32 = 8;
/// Waits in each millisecond that make the next one worth its.
const WAITS_PER_MS: u32 = 2;
/// Milliseconds of one request at most.
const RUN_MAX_MS: u32 = 8;

/// The `user_data` of the timer; there is one at most.
const TICK: u64 = user_data(Kind::Tick, Key { index: 0, generation: 0 });

/// The timer that keeps the CPU's tick running.
#[derive(Debug)]
pub(crate) struct Tick {
    phase: Phase,
    /// Waits with nothing to submit, since the timer was armed or was found useless.
    waits: u32,
    /// Milliseconds of the request that is armed, or of the next one.
    run_ms: u32,
    /// Whether the kernel knows multishot timeouts, as far as is known.
    multishot: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Off,
    Idle,
    Armed,
    /// Armed, and not to be armed again.
    Ending,
}

impl Tick {
    pub(crate) fn new(enabled: bool) -> Self {
        let phase = if enabled { Phase::Idle } else { Phase::Off };
        Self { phase, waits: 0, run_ms: 1, multishot: true }
    }

    pub(crate) fn is_armed(&self) -> bool {
        matches!(self.phase, Phase::Armed | Phase::Ending)
    }

    /// A wait with nothing to submit is over. True if the timer is worth arming.
    #[inline]
    fn wants(&mut self) -> bool {
        self.waits = self.waits.saturating_add(1);
        self.waits >= WAITS_TO_BEGIN && self.phase == Phase::Idle
    }

    /// It is being armed: how often it shall expire.
    fn arm(&mut self) -> u32 {
        self.phase = Phase::Armed;
        self.waits = 0;
        self.run_ms
    }

    /// A completion of the timer: an expiration that is not the last, or the end. True if it is to
    /// be armed again at once.
    fn completed(&mut self, more: bool, res: i32) -> bool {
        // The wait that it ended was for nothing.
        self.waits = self.waits.saturating_sub(1);
        if more {
            return false;
        }
        self.phase = match self.phase {
            Phase::Armed => Phase::Idle,
            Phase::Ending | Phase::Off | Phase::Idle => Phase::Off,
        };
        if res == -libc::ETIME && self.waits >= WAITS_PER_MS * self.run_ms {
            self.run_ms = if self.multishot { (2 * self.run_ms).min(RUN_MAX_MS) } else { 1 };
            return self.phase == Phase::Idle;
        }
        if res == -libc::EINVAL {
            if self.run_ms == 1 {
                self.phase = Phase::Off;
            }
            self.multishot = false;
        }
        self.run_ms = 1;
        self.waits = 0;
        false
    }
}

impl State {
    /// A core has waited without submitting anything: keeps the tick running if that pays.
    #[inline]
    pub(crate) fn lighten(&mut self) {
        if self.tick.wants() {
            self.arm_tick();
        }
    }

    #[cold]
    fn arm_tick(&mut self) {
        let run_ms = self.tick.arm();
        // One expiration needs no multishot, of which the count would mean something else.
        let (count, flags) = match run_ms {
            1 => (0, TimeoutFlags::EMPTY),
            more => (more, TimeoutFlags::MULTISHOT),
        };
        let timeout = Timeout { spec: &raw const MILLISECOND, count, flags };
        self.push(TICK, |sqe: &mut Sqe| timeout.encode(sqe));
        // Its entry is counted with the others, as the tail of the queue moves on.
        self.counters.sq_start.add(1);
    }

    /// The timer has expired, or ended.
    #[cold]
    pub(crate) fn on_tick(&mut self, cqe: Cqe) {
        self.counters.cqes.subtract(1);
        self.counters.ticks.add(u64::from(cqe.res == -libc::ETIME));
        if self.tick.completed(cqe.more(), cqe.res) {
            self.arm_tick();
        }
    }

    /// The core ends: the timer does too, and is not armed again.
    pub(crate) fn stop_tick(&mut self) {
        if self.tick.is_armed() {
            self.tick.phase = Phase::Ending;
            self.push_cancel(TICK);
        } else {
            self.tick.phase = Phase::Off;
        }
    }
}

/// Misses in a row that are forgiven.
const MISSES_FORGIVEN: u32 = 3;
/// Waits that are slept through at most, between two that look whether spinning pays again: 2^n.
const SKIPS_MAX_LOG: u32 = 7;

/// Whether spinning pays: it is tried less and less often while it does not.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    /// Times in a row that it was in vain.
    misses: u32,
    /// Waits that do not spin, before the next one that does.
    skips: u32,
}

impl Spin {
    /// Whether this wait spins.
    fn tries(&mut self) -> bool {
        if self.skips == 0 {
            return true;
        }
        self.skips -= 1;
        false
    }

    /// What became of a wait that did.
    fn ended(&mut self, hit: bool) {
        if hit {
            self.misses = 0;
            return;
        }
        self.misses = (self.misses + 1).min(MISSES_FORGIVEN + SKIPS_MAX_LOG);
        if self.misses > MISSES_FORGIVEN {
            self.skips = 1 << (self.misses - MISSES_FORGIVEN);
        }
    }
}

impl Core {
    /// Looks for completions without sleeping, if that pays. True if there is something to do.
    #[cold]
    pub(crate) fn spin(&self, state: &mut State) -> Result<bool, Errno> {
        if !state.spin.tries() {
            return Ok(false);
        }
        state.counters.spins.add(1);
        state.submit()?;
        let hit = self.look(state)?;
        state.spin.ended(hit);
        Ok(hit)
    }

    fn look(&self, state: &mut State) -> Result<bool, Errno> {
        let begun_ns = state.ring.kernel().now();
        let timer_ns = match state.wheel.next_deadline_ns() {
            None => u64::MAX,
            // The timers' clock may be ahead of the kernel's.
            Some(timer_ns) => begun_ns.saturating_add(timer_ns.saturating_sub(state.now_ns())),
        };
        let mut now_ns = begun_ns;
        while now_ns - begun_ns < self.spin_ns {
            for _ in 0..64 {
                if state.ring.cq_ready() > 0 {
                    return Ok(true);
                }
                if state.ring.task_work_pending() {
                    state.enter_now()?;
                    return Ok(true);
                }
                std::hint::spin_loop();
            }
            if !self.executor.is_idle() || now_ns >= timer_ns {
                return Ok(true);
            }
            now_ns = state.ring.kernel().now();
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
