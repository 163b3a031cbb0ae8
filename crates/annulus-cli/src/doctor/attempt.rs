//! One ring in a child process, for filters that kill.
//!
//! A seccomp filter may answer a forbidden call with SIGSYS instead of an errno (systemd's
//! default), and then there is nobody left to say why. Where a filter is installed, the doctor
//! therefore lets a child try first.
//!
//! Owns the child process. Invariant: a child that cannot be started proves nothing, and nothing is
//! concluded from it.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use annulus_ring::Ring;

/// Makes a ring and drops it: all that the child does.
pub fn run() {
    // Only survival counts; the parent asks again, for the reason.
    let _ = Ring::builder().build();
}

/// Whether a child that makes a ring is killed by SIGSYS.
pub fn is_killed() -> bool {
    std::env::current_exe().and_then(child).is_ok_and(|status| killed_by_filter(&status))
}

fn child(program: std::path::PathBuf) -> std::io::Result<ExitStatus> {
    Command::new(program)
        .args(["doctor", "--attempt"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
}

fn killed_by_filter(status: &ExitStatus) -> bool {
    status.signal() == Some(libc::SIGSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sigsys_is_the_filters() {
        assert!(killed_by_filter(&ExitStatus::from_raw(libc::SIGSYS)));
        assert!(!killed_by_filter(&ExitStatus::from_raw(libc::SIGKILL)));
        assert!(!killed_by_filter(&ExitStatus::from_raw(0)));
    }
}
