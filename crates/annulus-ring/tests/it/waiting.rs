//! Every way of waiting against the real kernel.
//!
//! Owns: what these tests share. None sleeps for something to happen, and none asserts that
//! something was fast: a wait that must not end early is measured, one that must end does.

mod batches;
mod limits;
mod regions;
mod signals;

use std::time::Duration;

use annulus_ring::{Kernel as _, Ring};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The ring's monotonic clock in nanoseconds.
fn now(ring: &mut Ring) -> u64 {
    ring.kernel().now()
}

/// The clock that goes on while the system is suspended, in nanoseconds.
fn boottime() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for one time.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
