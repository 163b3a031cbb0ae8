//! Timers: sleep, timeout, interval, and the clock they go by.
//!
//! Timers live in a wheel of the core and cost no request of the kernel: the next one bounds the
//! wait of the turn. They fire at most about 66 µs late for the wheel's sake, and never early.

mod instant;
mod interval;
mod sleep;
mod timeout;

pub use instant::Instant;
pub(crate) use instant::real_now_ns;
pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
