//! The table in which the kernel finds who waits for a futex of this process alone.
//!
//! Since Linux 6.17 a process gets one of its own with its first thread, which may also be one of
//! the kernel's for a request. What waits then was put into the table of the system, and no wake
//! finds it any more. Only a process of one thread that waits by a ring meets that: a thread that
//! waits by futex(2) cannot start another.
//!
//! Owns: that the table is there before a ring waits for a futex. A forked child has none again;
//! whoever makes a ring there asks anew.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::{io, ptr};

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

/// Starts a thread and awaits its end. By pthread_create(3): around a thread of its own `std` takes
/// locks that a forked child may find taken for ever, by a thread that only its parent has.
fn first_thread() -> io::Result<()> {
    let checked = |errno| match errno {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    };
    let mut thread = MaybeUninit::uninit();
    let (attributes, argument) = (ptr::null(), ptr::null_mut());
    // SAFETY: no attributes are the defaults, and `nothing` looks at no argument.
    checked(unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes, nothing, argument) })?;
    // SAFETY: it was started, so this was written.
    let thread = unsafe { thread.assume_init() };
    // SAFETY: nobody else has its name, so it is neither joined nor detached; nobody wants its
    // result.
    checked(unsafe { libc::pthread_join(thread, ptr::null_mut()) })
}

/// What that thread does.
extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
    ptr::null_mut()
}
