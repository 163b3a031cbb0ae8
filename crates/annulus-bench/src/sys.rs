//! What measuring asks of the system.
//!
//! Owns: CPU time and memory of this process, its pinning, its alarm, its limits, the options of
//! listening sockets, what lies between a file and its device, waiting for another process. Mirrors
//! clock_gettime(2), sched_setaffinity(2), alarm(2), setrlimit(2), listen(2), statx(2),
//! posix_fadvise(2), poll(2), proc_pid_stat(5).

#![allow(unsafe_code, reason = "system calls")]

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::pages::PAGE_BYTES;

/// User and system CPU time of this process so far, all its threads included.
pub fn cpu_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "this clock has been there since Linux 2.6.12");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// As [`cpu_time_ns`], of another process; nothing if it is gone.
pub fn cpu_time_ns_of(pid: u32) -> Option<u64> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is a valid place for the result.
    let found = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let there = found == 0 && read == 0;
    there.then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A process and all that it has started, as far as they are there.
pub fn family_of(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        at += 1;
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten();
        for task in tasks.flatten() {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(text.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    family
}

/// Has a program killed when the thread that starts it ends, however that happens.
pub fn end_with_us(command: &mut Command) {
    let parent = std::process::id();
    let ask = move || {
        // SAFETY: a number is all that it takes.
        let asked = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        // Too late, if the parent has ended meanwhile.
        if asked == 0 && std::os::unix::process::parent_id() == parent {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    };
    // SAFETY: the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(ask) };
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

/// Lets this thread run on all of these CPUs; without any, where it may run already.
///
/// # Errors
/// Those of sched_setaffinity(2).
pub fn unpin(cpus: &[Option<usize>]) -> io::Result<()> {
    let mut set = empty_set();
    let limit = libc::CPU_SETSIZE as usize;
    let cpus: Vec<usize> = cpus.iter().flatten().copied().filter(|&cpu| cpu < limit).collect();
    if cpus.is_empty() {
        return Ok(());
    }
    for cpu in cpus {
        // SAFETY: `cpu` is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
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

/// Resident memory of this process now, from /proc/PID/statm; 0 if that cannot be read.
pub fn resident_bytes() -> u64 {
    resident_bytes_of(std::process::id())
}

/// Resident memory of a process now; 0 if that cannot be read.
pub fn resident_bytes_of(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// CPU time of a process so far in the kernel's ticks, from /proc/PID/stat; nothing if it is gone.
pub fn cpu_ticks_of(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, in brackets, may have spaces.
    let (_, fields) = text.rsplit_once(") ")?;
    let field = |index| fields.split(' ').nth(index)?.parse::<u64>().ok();
    Some(field(11)? + field(12)?)
}

/// Whether there is something to read, or the end, before so long has passed.
///
/// # Errors
/// Those of poll(2).
pub fn is_readable_within(fd: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid structure.
    match unsafe { libc::poll(&raw mut polled, 1, ms) } {
        -1 => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
        ready => Ok(ready > 0),
    }
}

/// As many descriptors as the hard limit allows.
///
/// # Errors
/// Those of setrlimit(2).
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid structure.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Tells callgrind, if this process runs under it, to begin or to end collecting on this thread;
/// does nothing else. Started with `--collect-atstart=no` it collects nothing at first.
///
/// The sequence of instructions is what Valgrind looks for (`valgrind.h`); to a processor it is
/// nothing.
#[inline(never)]
pub(crate) fn toggle_counting() {
    /// `CALLGRIND_TOGGLE_COLLECT` of `callgrind.h`.
    const TOGGLE_COLLECT: u64 = 0x4354_0000 + 2;
    let request = [TOGGLE_COLLECT, 0, 0, 0, 0, 0];
    #[cfg(target_arch = "x86_64")]
    // SAFETY: four rotations that add up to 128 and an exchange of a register with itself leave
    // everything as it was, but for flags; Valgrind reads `request` and writes `rdx`.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") &raw const request,
            inout("rdx") 0u64 => _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: four rotations that add up to 128 and an or of a register with itself leave
    // everything as it was; Valgrind reads `request` and writes `x3`.
    unsafe {
        std::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            in("x4") &raw const request,
            inout("x3") 0u64 => _,
            options(nostack),
        );
    }
}

/// A long queue of connections, and `TCP_NODELAY` for all that are accepted.
///
/// # Errors
/// Those of listen(2) and setsockopt(2).
pub fn listen_long(listener: &TcpListener) -> io::Result<()> {
    let fd = listener.as_raw_fd();
    let yes: libc::c_int = 1;
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_NODELAY);
    let bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `yes` is an integer of so many bytes.
    if unsafe { libc::setsockopt(fd, level, name, (&raw const yes).cast(), bytes) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: listen(2) has no preconditions.
    if unsafe { libc::listen(fd, 4096) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether reads of a file go past the page cache if it is open with O_DIRECT. Some file systems
/// take the flag and go through it nevertheless.
///
/// # Errors
/// `Unsupported`, with the reason, if not.
pub fn check_direct(path: &Path) -> io::Result<()> {
    let unsupported = |what: String| Err(io::Error::new(io::ErrorKind::Unsupported, what));
    let mut options = std::fs::OpenOptions::new();
    let file = match options.read(true).custom_flags(libc::O_DIRECT).open(path) {
        Ok(file) => file,
        Err(error) => return unsupported(format!("O_DIRECT is refused ({error})")),
    };
    if is_in_memory(&file) {
        return unsupported("its files are in memory".to_owned());
    }
    match direct_alignment(&file) {
        Some(0) => unsupported("its reads go through the page cache all the same".to_owned()),
        Some(align) if PAGE_BYTES % align as usize != 0 => {
            unsupported(format!("its reads are of {align} bytes at least"))
        }
        // Before Linux 6.1, and on some file systems, nobody tells.
        _ => Ok(()),
    }
}

/// Whether there is no device below the file at all.
pub fn is_in_memory(file: &File) -> bool {
    // SAFETY: a structure of numbers, for which zero is a value.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor, and a valid place for the result.
    let result = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut stat) };
    result == 0 && [libc::TMPFS_MAGIC, RAMFS_MAGIC].contains(&(stat.f_type as _))
}

/// Of ramfs, in linux/magic.h.
const RAMFS_MAGIC: libc::c_long = 0x8584_58f6;

/// What direct reads of a file are multiples of, 0 if there are none; nothing if it is not told.
fn direct_alignment(file: &File) -> Option<u32> {
    // SAFETY: a structure of numbers, for which zero is a value.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN);
    let fd = file.as_raw_fd();
    // SAFETY: an open descriptor, an empty path, and a valid place for the result.
    let result = unsafe { libc::statx(fd, c"".as_ptr(), flags, mask, &raw mut stat) };
    (result == 0 && stat.stx_mask & mask != 0).then_some(stat.stx_dio_offset_align)
}

/// Takes a file out of the page cache, as far as it is written.
///
/// # Errors
/// Those of posix_fadvise(2).
pub fn forget_cached(file: &File) -> io::Result<()> {
    // SAFETY: posix_fadvise(2) has no preconditions.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
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
    fn time_and_memory_of_a_process_and_its_children_are_told() {
        let script = "sleep 60 & echo; wait";
        let mut command = Command::new("sh");
        end_with_us(command.args(["-c", script]).stdout(std::process::Stdio::piped()));
        let mut child = command.spawn().unwrap();
        // The line comes when there is a child.
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let family = family_of(child.id());
        assert!(family.len() == 2 && family[0] == child.id(), "{family:?}");
        for pid in &family {
            assert!(cpu_time_ns_of(*pid).is_some() && resident_bytes_of(*pid) > 0);
        }
        let sleeper = i32::try_from(family[1]).unwrap();
        // SAFETY: a child of a child that nobody has waited for.
        assert_eq!(unsafe { libc::kill(sleeper, libc::SIGKILL) }, 0);
        child.wait().unwrap();
        assert_eq!((cpu_time_ns_of(child.id()), resident_bytes_of(child.id())), (None, 0));
    }

    #[test]
    fn the_ticks_of_a_process_are_told_until_it_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(cpu_ticks_of(child.id()).is_some());
        child.wait().unwrap();
        assert_eq!(cpu_ticks_of(child.id()), None);
        let me = std::process::id();
        let before = cpu_ticks_of(me).unwrap();
        while cpu_ticks_of(me).unwrap() == before {}
    }

    #[test]
    fn a_stream_is_readable_when_something_or_its_end_has_come() {
        use std::io::Write as _;
        use std::os::fd::AsFd as _;
        use std::os::unix::net::UnixStream;
        let is_readable = |reader: &UnixStream, ms| {
            is_readable_within(reader.as_fd(), Duration::from_millis(ms)).unwrap()
        };
        let (reader, mut writer) = UnixStream::pair().unwrap();
        assert!(!is_readable(&reader, 1));
        writer.write_all(b"x").unwrap();
        assert!(is_readable(&reader, 60_000));
        let (reader, writer) = UnixStream::pair().unwrap();
        drop(writer);
        assert!(is_readable(&reader, 60_000));
    }

    #[test]
    fn asking_for_a_count_changes_nothing_without_callgrind() {
        let before = std::hint::black_box([1u64, 2, 3, 4, 5, 6, 7, 8]);
        toggle_counting();
        assert_eq!(before, [1, 2, 3, 4, 5, 6, 7, 8]);
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
