//! Giving up the rights of the process.
//!
//! Owns: the three calls, in the order in which each is still allowed. Does not own: who it becomes
//! (`serve`). Invariant: success means that there is no way back. Mirrors setgroups(2), setgid(2),
//! setuid(2), nptl(7): the C library changes all threads.

use std::io;

/// Becomes this user and group, without supplementary groups. Gives the step that failed.
pub(crate) fn drop_to(uid: u32, gid: u32) -> Result<(), (&'static str, io::Error)> {
    // SAFETY: an empty list is read nowhere.
    let groups = unsafe { libc::setgroups(0, std::ptr::null()) };
    checked("setgroups", groups)?;
    // SAFETY: only numbers are passed.
    checked("setgid", unsafe { libc::setgid(gid) })?;
    // SAFETY: as above.
    checked("setuid", unsafe { libc::setuid(uid) })?;
    // SAFETY: as above.
    if uid != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(("setuid", io::Error::other("the process could become root again")));
    }
    Ok(())
}

fn checked(step: &'static str, result: i32) -> Result<(), (&'static str, io::Error)> {
    if result == 0 { Ok(()) } else { Err((step, io::Error::last_os_error())) }
}
