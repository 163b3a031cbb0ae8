//! The CPU time that another process took: the server's.
//!
//! Mirrors proc_pid_stat(5). The kernel counts in ticks, mostly of 10 ms, so that short runs tell
//! little.

use std::io;
use std::time::Duration;

/// CPU time, of all threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CpuTime {
    /// In the program.
    pub user: Duration,
    /// In the kernel, on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// What the process `pid` has taken so far.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let cannot = |error: io::Error| {
            let text = format!("cannot read the CPU time of process {pid}: {error}");
            io::Error::new(error.kind(), text)
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(cannot)?;
        let parsed = Self::parse(&stat, rustix::param::clock_ticks_per_second());
        parsed.ok_or_else(|| cannot(io::Error::from(io::ErrorKind::InvalidData)))
    }

    fn parse(stat: &str, ticks_a_second: u64) -> Option<Self> {
        // The name of the program, in parentheses, may contain anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut numbers = rest.split_ascii_whitespace().skip(11);
        let mut time = || {
            let ticks: u64 = numbers.next()?.parse().ok()?;
            Some(Duration::from_secs_f64(ticks as f64 / ticks_a_second.max(1) as f64))
        };
        Some(Self { user: time()?, system: time()? })
    }

    /// What was taken since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    /// All of it.
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "7 (a ) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 75 9 9 20 0 1 0 5 6 7";
        let time = CpuTime::parse(stat, 100).unwrap();
        assert_eq!((time.user.as_millis(), time.system.as_millis()), (2500, 750));
        assert_eq!(time.total().as_millis(), 3250);
        assert_eq!(CpuTime::parse("7 (a) S 1", 100), None);
    }

    #[test]
    fn this_process_has_a_time_and_process_0_has_none() {
        assert!(CpuTime::of(std::process::id()).is_ok());
        let error = CpuTime::of(0).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the CPU time of process 0"), "{error}");
    }
}
