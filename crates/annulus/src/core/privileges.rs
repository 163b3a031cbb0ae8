//! Giving up the rights of the process.
//!
//! Owns: the calls, in the order in which each is still allowed, and whether they have worked. Does
//! not own: who it becomes (`serve`). Invariant: success means that this thread, and each that it
//! starts, has no way back. Mirrors setgroups(2), setresgid(2), setresuid(2), capabilities(7),
//! prctl(2); nptl(7): the C library changes the numbers of all threads, and of no thread but the
//! calling one its capabilities.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, no_new_privs, set_capabilities,
    set_no_new_privs,
};

/// What failed, and why.
pub(crate) type Failed = (&'static str, io::Error);

/// Becomes this user and group, without supplementary groups and without capabilities; programs
/// that this thread or a later one runs get no rights of their files either. Gives the step that
/// failed.
pub(crate) fn drop_to(uid: u32, gid: u32) -> Result<(), Failed> {
    // SAFETY: an empty list is read nowhere.
    let groups = unsafe { libc::setgroups(0, std::ptr::null()) };
    checked("setgroups", groups)?;
    // SAFETY: only numbers are passed.
    checked("setresgid", unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: as above.
    checked("setresuid", unsafe { libc::setresuid(uid, uid, uid) })?;
    if uid != 0 {
        // The kernel takes them from who was root, unless it was told not to, and from nobody else.
        clear_ambient_capability_set().map_err(failed("clearing ambient capabilities"))?;
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, none).map_err(failed("capset"))?;
    }
    set_no_new_privs(true).map_err(failed("prctl(PR_SET_NO_NEW_PRIVS)"))
}

/// Whether the calling thread is this user and group, with nothing besides, and stays so.
pub(crate) fn check(uid: u32, gid: u32) -> Result<(), Failed> {
    let (mut real, mut effective, mut saved) = (u32::MAX, u32::MAX, u32::MAX);
    // SAFETY: three places that are valid for writes.
    let asked = unsafe { libc::getresuid(&mut real, &mut effective, &mut saved) };
    checked("getresuid", asked)?;
    expect("checking the user", [real, effective, saved] == [uid; 3])?;
    // SAFETY: as above.
    let asked = unsafe { libc::getresgid(&mut real, &mut effective, &mut saved) };
    checked("getresgid", asked)?;
    expect("checking the group", [real, effective, saved] == [gid; 3])?;
    let groups = rustix::process::getgroups().map_err(failed("getgroups"))?;
    expect("checking supplementary groups", groups.is_empty())?;
    let locked = no_new_privs().map_err(failed("prctl(PR_GET_NO_NEW_PRIVS)"))?;
    expect("checking no_new_privs", locked)?;
    if uid != 0 {
        // By the calls of the kernel: those of the C library would change other threads.
        let way_back = "checking that there is no way back to root";
        expect(way_back, !becomes_root(libc::SYS_setresuid))?;
        expect(way_back, gid == 0 || !becomes_root(libc::SYS_setresgid))?;
    }
    Ok(())
}

/// Tries to make this thread's effective user, or group, 0.
fn becomes_root(call: libc::c_long) -> bool {
    const KEEP: libc::c_long = -1;
    // SAFETY: only numbers are passed; what it changes is this thread's, and if it does, the caller
    // gives up.
    unsafe { libc::syscall(call, KEEP, 0, KEEP) == 0 }
}

fn checked(step: &'static str, result: i32) -> Result<(), Failed> {
    if result == 0 { Ok(()) } else { Err((step, io::Error::last_os_error())) }
}

fn expect(step: &'static str, is_so: bool) -> Result<(), Failed> {
    if is_so { Ok(()) } else { Err((step, io::Error::other("rights are left, or can come back"))) }
}

fn failed(step: &'static str) -> impl Fn(rustix::io::Errno) -> Failed {
    move |errno| (step, errno.into())
}
