//! fork(2) in a process of many threads, as a test program is one.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// How long others are waited for. Some never sleep, which is as before.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many seconds a child is ended by a signal: one that waits has failed.
const ALARM_SECONDS: u32 = 120;

/// Forks while every other thread sleeps.
///
/// Starting and ending a thread takes locks of `std`, and the test harness does so for each test: a
/// child that was made meanwhile has the lock taken by a thread that it does not have, and waits
/// for ever with the first thread that it starts itself.
///
/// # Safety
/// * The child (which gets 0) ends with `_exit` or by a signal.
/// * It does not wait for threads of its parent.
pub unsafe fn fork() -> libc::pid_t {
    let begun = Instant::now();
    while !all_others_sleep() && begun.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    // SAFETY: the caller's contract; glibc makes its allocator usable in the child.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: takes a number.
        unsafe { libc::alarm(ALARM_SECONDS) };
        // What a test prints is kept until it ends, and a child's ends with it.
        std::panic::set_hook(Box::new(|panic| {
            let _ = writeln!(std::io::stderr(), "in a forked child: {panic}");
        }));
    }
    child
}

/// Whether no other thread runs, or waits to.
fn all_others_sleep() -> bool {
    // SAFETY: gettid(2) cannot fail and touches no memory.
    let own = unsafe { libc::gettid() }.to_string();
    let threads = std::fs::read_dir("/proc/self/task").expect("procfs is mounted");
    threads.flatten().filter(|thread| thread.file_name() != *own).all(|thread| {
        // One that has ended meanwhile does nothing.
        let Ok(stat) = std::fs::read_to_string(thread.path().join("stat")) else { return true };
        // Its name, which may be anything, is in parentheses; behind it is its state.
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S'))
    })
}
