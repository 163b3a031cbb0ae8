//! A point on the monotonic clock, as the kernel behind the core has it.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use annulus_ring::{AnyKernel, Kernel as _};

use crate::core::with_any;

/// A moment of `CLOCK_MONOTONIC`.
///
/// Inside a runtime the clock is that of the runtime's kernel, which a simulated kernel drives by
/// hand.
///
/// ```
/// use std::time::Duration;
/// use annulus::time::Instant;
///
/// let before = Instant::now();
/// assert!(before + Duration::from_secs(1) > before);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant(u64);

impl Instant {
    /// Now.
    pub fn now() -> Self {
        let ns = with_any(|core| core.state.borrow_mut().ring.kernel().now());
        Self(ns.unwrap_or_else(|_| AnyKernel::default().now()))
    }

    pub(crate) fn as_ns(self) -> u64 {
        self.0
    }

    /// How long ago this was; zero if it is still to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// From `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time, some 584 years from the machine's start.
    fn add(self, duration: Duration) -> Self {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ns))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// The clock of the machine, whatever runs on this thread.
pub(crate) fn real_now_ns() -> u64 {
    AnyKernel::default().now()
}
