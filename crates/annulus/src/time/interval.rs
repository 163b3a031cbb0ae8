//! A moment that comes again and again.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::instant::nanos;
use super::{Instant, Sleep, sleep_until};

/// Ticks every `period`, the first time at once.
///
/// # Cancel safety
/// Dropping it takes the timer away; nothing else happens.
///
/// # Panics
/// If the period is zero.
///
/// # Kernel
/// No request: the next timer of the core is the timeout of its wait (`EXT_ARG`, Linux 5.11).
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
/// # Cancel safety
/// Dropping it takes the timer away; nothing else happens.
///
/// # Panics
/// If the period is zero.
///
/// # Kernel
/// As [`interval`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::time::{Instant, interval_at};
/// use std::time::Duration;
///
/// let period = Duration::from_millis(1);
/// let mut interval = interval_at(Instant::now() + period, period);
/// interval.tick().await;
/// # Ok(())
/// # }
/// ```
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period must be longer than zero");
    Interval { sleep: sleep_until(start), period, missed: MissedTicks::Burst }
}

/// What happens to ticks that nobody waited for in time: until the next one was due.
///
/// With a period of 10 ms, of which the tick at 10 ms is taken at 45 ms:
///
/// | | the ticks that follow come at |
/// |---|---|
/// | `Burst` | 45, 45, 45, 50, 60 ms (due at 20, 30, 40, 50, 60) |
/// | `Delay` | 55, 65, 75 ms |
/// | `Skip` | 50, 60, 70 ms |
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
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::time::interval;
    /// use std::time::Duration;
    ///
    /// let mut interval = interval(Duration::from_millis(1));
    /// let first = interval.tick().await;
    /// assert!(interval.tick().await > first);
    /// # Ok(())
    /// # }
    /// ```
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
                let period_ns = nanos(self.period);
                let periods = nanos(now.duration_since(due)) / period_ns + 1;
                due + Duration::from_nanos(period_ns.saturating_mul(periods))
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

/// Its ticks, without end; each item is the moment for which it was due.
impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}
