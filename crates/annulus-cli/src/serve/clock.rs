//! The date that responses carry: formatted once a second, not once a response.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `Fri, 20 Nov 2026 09:15:03 GMT`
pub type HttpDate = [u8; 29];

/// One core's cached date.
pub struct Clock {
    date: Cell<(u64, HttpDate)>,
}

impl Clock {
    /// A clock whose date is formatted at first use.
    pub fn new() -> Self {
        Self { date: Cell::new((0, format(UNIX_EPOCH))) }
    }

    /// The date at `now`.
    pub fn date(&self, now: SystemTime) -> HttpDate {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (cached, date) = self.date.get();
        if cached == seconds {
            return date;
        }
        let date = format(UNIX_EPOCH + Duration::from_secs(seconds));
        self.date.set((seconds, date));
        date
    }
}

/// A time as HTTP writes it. Years that it cannot write become the nearest that it can.
pub fn format(time: SystemTime) -> HttpDate {
    /// The last second of the year 9999.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST);
    let mut date = [b' '; 29];
    // The form is of fixed length, so that it fits; a slice takes no more than that anyway.
    let _ = write!(&mut date[..], "{}", httpdate::HttpDate::from(UNIX_EPOCH + since));
    date
}

#[cfg(test)]
mod tests;
