//! The table in which the kernel finds who waits for a futex of this process alone.
//!
//! Since Linux 6.17 a process gets one of its own with its first thread, which may also be one of
//! the kernel's for a request. What waits then was put into the table of the system, and no wake
//! finds it any more. Only a process of one thread that waits by a ring meets that: a thread that
//! waits by futex(2) cannot start another.
//!
//! Owns: that the table is there before a ring waits for a futex. A forked child has none again;
//! whoever makes a ring there asks anew.

use std::io;

/// `PR_FUTEX_HASH` of prctl(2), and what of it asks for the size of the process's own table: 0 if
/// it has none, EINVAL before there was such a thing.
const PR_FUTEX_HASH: libc::c_int = 78;
const PR_FUTEX_HASH_GET_SLOTS: libc::c_ulong = 2;

/// Sees to it that the process has the table that it will have with threads. False if it cannot:
/// then rings must not wait for a futex.
pub(crate) fn settle() -> bool {
    // SAFETY: asks for a number.
    match unsafe { libc::prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, 0, 0, 0) } {
        1.. => true,
        slots if slots < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) => {
            true
        }
        // The call that makes a table also fixes its size; a thread does not.
        _ => first_thread().is_ok(),
    }
}

fn first_thread() -> io::Result<()> {
    let thread = std::thread::Builder::new().name("annulus-first".to_owned()).spawn(|| ())?;
    thread.join().map_err(|_| io::Error::other("a thread that does nothing panicked"))
}
