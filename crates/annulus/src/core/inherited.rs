//! Descriptors that a process was started with.
//!
//! Owns: becoming their owner, once. Does not own: what they are (`serve`). Mirrors
//! sd_listen_fds(3).

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that a service manager passes (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes over the `count` descriptors from 3 on; closed on exec(2) from now on. None the second
/// time: they have an owner then.
///
/// The caller has been told by the environment that they are this process's to use.
pub(crate) fn take(count: usize) -> io::Result<Vec<OwnedFd>> {
    // ORDERING: Relaxed; only who is first counts, and nothing else is handed over by it.
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let last = FIRST + RawFd::try_from(count).unwrap_or(0);
    for fd in FIRST..last {
        // SAFETY: only asks about a number; one that is no descriptor is an error.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if flags < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: they are open, whoever started the process says that they are its own to use, and
    // nobody took them before.
    let own = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
    let all: Vec<OwnedFd> = (FIRST..last).map(own).collect();
    for fd in &all {
        // SAFETY: an open descriptor; setting the flag touches no memory.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(all)
}
