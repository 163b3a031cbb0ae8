//! Waiting, in every way that the kernel can.
//!
//! Owns: [`Wait`], the description of one, and how it becomes the arguments of a call. Does not
//! own: the call (`enter`), waits in registered memory (`register`), nor retries.
//!
//! Invariants: [`Ring::submit_and_wait`] is the short form without any of this, for loops that wait
//! all the time; a wait that the kernel cannot do is an error before anything is submitted. Mirrors
//! io_uring_submit_and_wait_min_timeout(3) and its kin.

use core::{fmt, time::Duration};
use std::io;

use annulus_abi::{EnterFlags, Errno, GetEventsArg, Timespec};

use crate::{CqeShape, Kernel, Ring, SqeShape, Version, WaitRegion, enter::from_now};

/// How to wait: for how many completions, how long, with which signals blocked.
///
/// ```
/// use core::time::Duration;
/// use annulus_ring::{Ring, Wait};
///
/// let mut ring = Ring::new(8).unwrap();
/// // For a batch of 16; but after 50 µs one will do, and after 10 ms none.
/// let wait = Wait::for_completions(16)
///     .batch(Duration::from_micros(50))
///     .within(Duration::from_millis(10));
/// ring.wait(&wait).unwrap();
/// assert_eq!(ring.cq_ready(), 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use = "a description waits for nothing by itself"]
pub struct Wait {
    pub(crate) want: u32,
    pub(crate) limit: Limit,
    pub(crate) min_wait_us: u32,
    pub(crate) mask: Option<u64>,
}

/// When a wait is over at the latest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Limit {
    #[default]
    None,
    /// So many nanoseconds from now.
    For(u64),
    /// At this nanosecond of the ring's clock.
    Until(u64),
}

/// Bytes of a signal mask, as the kernel has it.
pub(crate) const MASK_BYTES: u32 = 8;

impl Wait {
    /// Until so many completions are ready.
    pub const fn for_completions(count: u32) -> Self {
        Self { want: count, limit: Limit::None, min_wait_us: 0, mask: None }
    }

    /// At most so long, by the clock of the ring.
    #[doc(alias = "io_uring_wait_cqes")]
    #[doc(alias = "io_uring_submit_and_wait_timeout")]
    pub const fn within(mut self, time: Duration) -> Self {
        self.limit = Limit::For(nanoseconds(time));
        self
    }

    /// At most until this nanosecond of the ring's clock: `CLOCK_MONOTONIC`, unless
    /// [`Ring::set_clock`] chose another one. A wait that is repeated after a signal needs no
    /// arithmetic then.
    #[doc(alias = "IORING_ENTER_ABS_TIMER")]
    pub const fn until_ns(mut self, clock_ns: u64) -> Self {
        self.limit = Limit::Until(clock_ns);
        self
    }

    /// Waits for all of them only so long: after that one completion is enough, and if one is there
    /// then the wait is over (since 6.12). Rounded up to microseconds.
    #[doc(alias = "io_uring_wait_cqes_min_timeout")]
    #[doc(alias = "io_uring_submit_and_wait_min_timeout")]
    pub const fn batch(mut self, time: Duration) -> Self {
        let us = nanoseconds(time).div_ceil(1000);
        self.min_wait_us = if us > u32::MAX as u64 { u32::MAX } else { us as u32 };
        self
    }

    /// Blocks these signals while it waits, and only then, as ppoll(2) does.
    pub fn blocking(mut self, signals: &libc::sigset_t) -> Self {
        let first: *const libc::sigset_t = signals;
        // SAFETY: the set is larger than the word that the kernel knows, and aligned for it; all
        // bytes of it are integers.
        self.mask = Some(unsafe { first.cast::<u64>().read() });
        self
    }
}

const fn nanoseconds(time: Duration) -> u64 {
    let ns = time.as_nanos();
    // The kernel's seconds are signed.
    if ns > i64::MAX as u128 { i64::MAX as u64 } else { ns as u64 }
}

/// A wait failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitError {
    /// The kernel said so.
    Kernel(Errno),
    /// The kernel lacks a way of waiting.
    Lacking {
        /// Which.
        what: &'static str,
        /// The first kernel that has it.
        since: Version,
    },
}

impl WaitError {
    /// The kernel's number; EOPNOTSUPP for what it lacks.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match *self {
            Self::Kernel(errno) => errno,
            Self::Lacking { .. } => Errno(libc::EOPNOTSUPP),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(errno) => errno.fmt(f),
            Self::Lacking { what, since: (major, minor) } => {
                write!(f, "this ring cannot wait with {what} (needs Linux {major}.{minor})")
            }
        }
    }
}

impl std::error::Error for WaitError {}

impl From<Errno> for WaitError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<WaitError> for io::Error {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Kernel(errno) => errno.into(),
            WaitError::Lacking { .. } => Self::new(io::ErrorKind::Unsupported, error),
        }
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Gives all pushed entries to the kernel and waits as described, in one call. Runs task work
    /// even if nothing is wanted.
    ///
    /// Returns the number of entries consumed. That the time is over is no error:
    /// [`cq_ready`](Self::cq_ready) tells how many came. A [`Timeout`](crate::op::Timeout) that
    /// fires meanwhile ends the wait as well, however many are wanted.
    ///
    /// # Errors
    /// [`WaitError::Lacking`], before anything is submitted. EINTR, and as
    /// [`submit`](Self::submit); if only some entries are consumed there is no wait.
    #[doc(alias = "io_uring_submit_and_wait_min_timeout")]
    #[doc(alias = "io_uring_wait_cqes_min_timeout")]
    #[doc(alias = "io_uring_wait_cqes")]
    pub fn wait(&mut self, wait: &Wait) -> Result<u32, WaitError> {
        let capabilities = self.capabilities();
        let min_timeout = capabilities.min_timeout();
        if wait.min_wait_us > 0 && !min_timeout {
            return Err(WaitError::Lacking { what: "a minimum time", since: (6, 12) });
        }
        let limit = match wait.limit {
            // Absolute limits came with the same kernel as the minimum, and the other clock with
            // them, so without these it is the clock of the seam.
            Limit::Until(ns) if !min_timeout => Limit::For(ns.saturating_sub(self.kernel.now())),
            other => other,
        };
        if !self.capabilities().ext_arg() {
            return match (limit, wait.mask) {
                (Limit::For(ns), None) => Ok(self.submit_and_wait(wait.want, Some(ns))?),
                (_, None) => Ok(self.submit_and_wait(wait.want, None)?),
                (Limit::None, Some(mask)) => Ok(self.wait_masked(wait.want, mask)?),
                (_, Some(_)) => {
                    let what = "both a time limit and a signal mask";
                    Err(WaitError::Lacking { what, since: (5, 11) })
                }
            };
        }
        Ok(self.wait_extended(wait, limit)?)
    }

    /// Waits as the slot of a registered region describes, and submits as [`wait`](Self::wait).
    ///
    /// # Errors
    /// EFAULT if the region is another ring's, has no such slot, or nothing was
    /// [`set`](WaitRegion::set) there; EINTR, and as [`submit`](Self::submit).
    #[doc(alias = "io_uring_submit_and_wait_reg")]
    #[doc(alias = "IORING_ENTER_EXT_ARG_REG")]
    pub fn wait_in(&mut self, region: &WaitRegion, slot: u32) -> Result<u32, Errno> {
        let place = region.slot(self.fd(), slot);
        let (want, flags, offset) = place.ok_or(Errno(libc::EFAULT))?;
        let arg = core::ptr::without_provenance(offset);
        let bytes = size_of::<annulus_abi::RegWait>();
        self.wait_with(want, self.wait_flags | flags, (arg, bytes))
    }

    fn wait_extended(&mut self, wait: &Wait, limit: Limit) -> Result<u32, Errno> {
        let mut flags = self.wait_flags | EnterFlags::EXT_ARG;
        let ts = match limit {
            Limit::None => None,
            Limit::For(ns) => Some(from_now(ns)),
            Limit::Until(ns) => {
                flags |= EnterFlags::ABS_TIMER;
                Some(Timespec::from_nanos(ns))
            }
        };
        let mask = wait.mask;
        let arg = GetEventsArg {
            sigmask: mask.as_ref().map_or(0, |mask| core::ptr::from_ref(mask).expose_provenance())
                as u64,
            sigmask_bytes: if mask.is_some() { MASK_BYTES } else { 0 },
            min_wait_usec: wait.min_wait_us,
            ts: ts.as_ref().map_or(0, |ts| core::ptr::from_ref(ts).expose_provenance()) as u64,
        };
        let arg: *const GetEventsArg = &arg;
        self.wait_with(wait.want, flags, (arg.cast(), size_of::<GetEventsArg>()))
    }

    /// The wait with a mask of kernels before 5.11.
    fn wait_masked(&mut self, want: u32, mask: u64) -> Result<u32, Errno> {
        let mask: *const u64 = &mask;
        self.wait_with(want, self.wait_flags, (mask.cast(), MASK_BYTES as usize))
    }
}

#[cfg(test)]
mod tests;
