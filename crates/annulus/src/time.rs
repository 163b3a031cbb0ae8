//! Timers: sleep, timeout, interval, and the clock they go by.
//!
//! Timers live in a wheel of the core and cost no request of the kernel: the next one bounds the
//! wait of the turn. They fire at most about 66 µs late for the wheel's sake, and never early.
//!
//! A test can hold the clock in its hand: [`pause`] stops it, [`advance`] moves it on, and a core
//! that has nothing else to do moves a paused clock to its next timer by itself.
//!
//! # Kernel
//! The next timer is the timeout of the wait (`EXT_ARG` of io_uring_enter(2), Linux 5.11). Timers
//! make no requests and no system calls.

mod clock;
mod instant;
mod interval;
mod sleep;
mod timeout;

pub use clock::{advance, pause, resume};
pub use instant::Instant;
pub(crate) use instant::real_now_ns;
pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
