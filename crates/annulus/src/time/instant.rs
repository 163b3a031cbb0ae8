//! A point on the clock of a core.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use annulus_ring::{AnyKernel, Kernel as _};
use annulus_task::ForkOnce;

use crate::core::with_any;

/// A moment, in nanoseconds of `CLOCK_MONOTONIC`.
///
/// Inside a runtime the clock is the current core's: that of its kernel, unless a test
/// [pauses](super::pause) and [advances](super::advance) it. Moments of cores whose clocks differ
/// can be compared, but say nothing about each other. Outside of a runtime it is the system's.
///
/// Arithmetic saturates at both ends of time, some 584 years apart, unless the method's name begins
/// with `checked`.
///
/// ```
/// use std::time::Duration;
/// use annulus::time::Instant;
///
/// let before = Instant::now();
/// let later = before + Duration::from_secs(1);
/// assert_eq!(later - before, Duration::from_secs(1));
/// assert_eq!(before.checked_duration_since(later), None);
/// ```
///
/// # Kernel
/// clock_gettime(2), which makes no system call where the kernel has a vDSO.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant(u64);

impl Instant {
    /// Now, by the clock of the current core.
    #[must_use]
    pub fn now() -> Self {
        let ns = with_any(|core| core.state.borrow_mut().now_ns());
        Self(ns.unwrap_or_else(|_| AnyKernel::default().now()))
    }

    pub(crate) fn as_ns(self) -> u64 {
        self.0
    }

    /// How long ago this was; zero if it is still to come.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// From `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// From `earlier` to this; `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }

    /// As [`duration_since`](Self::duration_since), by the name that says it.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// So much later; `None` past the end of time.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        let ns = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(ns).map(Self)
    }

    /// So much earlier; `None` before the beginning of time.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        let ns = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_sub(ns).map(Self)
    }

    /// The moment that the standard library means; see [`From`].
    #[must_use]
    pub fn from_std(std: std::time::Instant) -> Self {
        Self::from(std)
    }

    /// As the standard library has it; see [`From`].
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.into()
    }
}

/// A length of time in nanoseconds, as long as can be counted.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One moment, read off both clocks.
///
/// Both are `CLOCK_MONOTONIC`, but the standard library does not show its nanoseconds. The reading
/// is taken once, so conversions keep the order and the distances of moments exactly, and are off
/// by the time between two readings of the clock.
fn anchor() -> &'static (std::time::Instant, u64) {
    static ANCHOR: ForkOnce<(std::time::Instant, u64)> =
        ForkOnce::new(|| (std::time::Instant::now(), AnyKernel::default().now()));
    ANCHOR.get()
}

impl From<std::time::Instant> for Instant {
    /// The same moment of the system's clock. It is not that of a core whose clock was paused.
    fn from(std: std::time::Instant) -> Self {
        let (anchor, ns) = *anchor();
        match std.checked_duration_since(anchor) {
            Some(since) => Self(ns) + since,
            None => Self(ns) - anchor.duration_since(std),
        }
    }
}

impl From<Instant> for std::time::Instant {
    /// The same moment of the system's clock. It is not that of a core whose clock was paused.
    fn from(instant: Instant) -> Self {
        let (anchor, ns) = *anchor();
        // Neither overflows: the standard library counts seconds in 64 bits with a sign.
        match instant.0.checked_sub(ns) {
            Some(since_ns) => anchor + Duration::from_nanos(since_ns),
            None => anchor - Duration::from_nanos(ns - instant.0),
        }
    }
}

impl fmt::Display for Instant {
    /// Seconds of the clock, with nanoseconds: `12345.000000678 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// The clock of the machine, whatever runs on this thread.
pub(crate) fn real_now_ns() -> u64 {
    AnyKernel::default().now()
}

#[cfg(test)]
mod tests;
