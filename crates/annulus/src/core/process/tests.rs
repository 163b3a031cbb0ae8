//! Children of tests.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `test` in a forked child, which is killed if it takes a minute.
pub(crate) fn in_child(test: impl FnOnce()) {
    // SAFETY: the child does what a child of a process with threads may do in practice (glibc makes
    // its allocator usable there), and ends with `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "there is no child");
    if child == 0 {
        // SAFETY: takes a number; nobody handles the signal, which ends this process.
        unsafe { libc::alarm(60) };
        let failed = catch_unwind(AssertUnwindSafe(test)).is_err();
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(i32::from(failed)) };
    }
    let child = rustix::process::Pid::from_raw(child);
    let wait = || rustix::process::waitpid(child, rustix::process::WaitOptions::empty());
    let (_, status) = rustix::io::retry_on_intr(wait).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0), "the child failed, or waited: {status:?}");
}
