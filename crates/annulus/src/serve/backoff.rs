//! How long to rest from something that fails again and again.
//!
//! Owns: the pauses. Invariant: a failure that is news of one peer costs no pause, and one that
//! does not end costs next to nothing.

use std::time::Duration;

/// Failures in a row that are tried again at once.
const FREE: u32 = 8;
const FIRST: Duration = Duration::from_millis(1);
/// How often the pause is doubled at most: up to about a second.
const DOUBLINGS: u32 = 10;

/// Failures in a row; a success makes a new one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It has failed once more: how long to rest before it is tried again, if at all.
    pub(super) fn failed(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.checked_sub(FREE + 1)?;
        Some(FIRST * (1 << doublings.min(DOUBLINGS)))
    }
}

#[cfg(test)]
mod tests;
