//! What measuring asks of the system.
//!
//! Owns: CPU time of this process, its pinning, its alarm. Mirrors clock_gettime(2),
//! sched_setaffinity(2), alarm(2).

use std::io;

/// User and system CPU time of this process so far, all its threads included.
pub fn cpu_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "this clock has been there since Linux 2.6.12");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The CPUs that this process may run on, in ascending order.
///
/// # Errors
/// Those of sched_getaffinity(2).
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut set = empty_set();
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: `set` is a valid place for so many bytes.
    if unsafe { libc::sched_getaffinity(0, bytes, &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let limit = libc::CPU_SETSIZE as usize;
    Ok((0..limit)
        // SAFETY: `cpu` is below the size of the set.
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        .collect())
}

/// Binds this thread, and the threads that it starts from now on, to one CPU.
///
/// # Errors
/// `InvalidInput` for a CPU that is not there or not allowed.
pub fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = empty_set();
    // SAFETY: `cpu` is below the size of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: `set` is a valid set of so many bytes.
    if unsafe { libc::sched_setaffinity(0, bytes, &raw const set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Ends this process by SIGALRM after so many seconds, whatever it is stuck in.
pub fn alarm(seconds: u32) {
    // SAFETY: alarm(2) has no preconditions.
    unsafe { libc::alarm(seconds) };
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: a set is an array of words, and zero is the empty one.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_goes_on_while_work_is_done() {
        let before = cpu_time_ns();
        while cpu_time_ns() == before {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_pinned_thread_may_run_on_one_cpu_only() {
        let cpu = *allowed_cpus().unwrap().last().unwrap();
        let pinned = std::thread::spawn(move || {
            pin(cpu).unwrap();
            allowed_cpus().unwrap()
        });
        assert_eq!(pinned.join().unwrap(), [cpu]);
    }

    #[test]
    fn a_cpu_that_cannot_be_is_refused() {
        assert!(pin(usize::MAX).is_err());
    }
}
