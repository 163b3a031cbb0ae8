//! A moment that comes again and again.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Instant, Sleep, sleep_until};

/// Ticks every `period`, the first time at once.
///
/// # Panics
/// If the period is zero.
///
/// ```
/// # #[annulus::main]
/// # async fn main() {
/// use std::time::Duration;
///
/// let mut interval = annulus::time::interval(Duration::from_millis(1));
/// let first = interval.tick().await;
/// assert!(interval.tick().await >= first + Duration::from_millis(1));
/// # }
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
/// If the period is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period must be longer than zero");
    Interval { sleep: sleep_until(start), period, missed: MissedTicks::Burst }
}

/// What happens to ticks that nobody waited for in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissedTicks {
    /// They come at once, one after the other, until the schedule is caught up.
    #[default]
    Burst,
    /// The schedule moves: the next tick comes a period after the late one.
    Delay,
    /// They are left out: the next tick comes at the next multiple of the period.
    Skip,
}

/// A schedule of ticks, made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTicks,
}

impl Interval {
    /// Waits for the next tick and gives the moment for which it was due.
    ///
    /// # Cancel safety
    /// No tick is lost when the future is dropped.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// The poll form of [`tick`](Self::tick).
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if Pin::new(&mut self.sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let due = self.sleep.deadline();
        let now = Instant::now();
        let next = match self.missed {
            MissedTicks::Burst => due + self.period,
            MissedTicks::Delay if now > due + self.period => now + self.period,
            MissedTicks::Delay => due + self.period,
            MissedTicks::Skip => {
                let late = now.duration_since(due).as_nanos();
                let periods = late / self.period.as_nanos() + 1;
                let skipped = u32::try_from(periods).unwrap_or(u32::MAX);
                due + self.period.saturating_mul(skipped)
            }
        };
        self.sleep.reset(next);
        Poll::Ready(due)
    }

    /// Chooses what happens to missed ticks.
    pub fn set_missed_ticks(&mut self, missed: MissedTicks) {
        self.missed = missed;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The next tick comes a period from now.
    pub fn reset(&mut self) {
        self.sleep.reset(Instant::now() + self.period);
    }
}
