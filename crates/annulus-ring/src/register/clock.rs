//! The clock of waits.
//!
//! Owns: the choice. Does not own: waiting (`wait`), nor the clocks of timeout operations, which
//! have flags of their own. Mirrors io_uring_register_clock(3).

use annulus_abi::{ClockRegister, RegisterOp};

use super::RegisterError;
use crate::{CqeShape, Ring, SqeShape};

/// A clock that the time limit of a wait can go by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[doc(alias = "io_uring_clock_register")]
pub enum Clock {
    /// `CLOCK_MONOTONIC`, which stands still while the system is suspended. That of a new ring.
    #[default]
    Monotonic,
    /// `CLOCK_BOOTTIME`, which does not.
    Boottime,
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Chooses the clock by which waits of this ring measure, absolute and relative ones
    /// (since 6.12).
    ///
    /// # Errors
    /// EINVAL on older kernels ([`Refusal::Lacking`](super::Refusal::Lacking) if they say so); the
    /// clock is as it was then.
    #[doc(alias = "io_uring_register_clock")]
    #[doc(alias = "IORING_REGISTER_CLOCK")]
    pub fn set_clock(&mut self, clock: Clock) -> Result<(), RegisterError> {
        let clockid = match clock {
            Clock::Monotonic => libc::CLOCK_MONOTONIC,
            Clock::Boottime => libc::CLOCK_BOOTTIME,
        };
        let mut clock = ClockRegister { clockid: clockid as u32, resv: [0; 3] };
        // SAFETY: one structure, read during the call.
        unsafe { self.register_one(RegisterOp::CLOCK, &mut clock, 0) }.map(drop)
    }
}
