//! The three system calls, raw.
//!
//! Owns: the calls and their errors. Does not own: the memory that entries and arguments describe;
//! whoever calls answers for it. A call that was interrupted (EINTR) is not repeated here.
//!
//! `enter` is written in assembly, because it is called once a turn: the call through libc costs
//! some thirty instructions more, for moving its arguments twice and for errno.
//!
//! Mirrors io_uring_setup(2), io_uring_enter(2), io_uring_register(2).

use core::ffi::c_void;

use crate::{EnterFlags, Errno, Params};

/// io_uring_setup(2): makes a ring and returns its descriptor, which is close-on-exec.
///
/// # Errors
/// The kernel's: EPERM (forbidden by sysctl, seccomp or LSM), ENOSYS (not built), EINVAL (a flag
/// this kernel lacks), ENOMEM (memlock limit).
///
/// # Safety
/// * With [`SetupFlags::NO_MMAP`](crate::SetupFlags::NO_MMAP) the addresses in `params` are valid
///   for the ring's life; otherwise none is needed.
#[doc(alias = "io_uring_setup")]
pub unsafe fn setup(entries: u32, params: &mut Params) -> Result<i32, Errno> {
    let params: *mut Params = params;
    // SAFETY: `params` is a valid, exclusive pointer for the duration of the call; the caller
    // answers for the addresses inside it.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, params) };
    value(result).map(|fd| fd as i32)
}

/// io_uring_enter(2): submits `to_submit` entries and waits for `min_complete` completions.
///
/// Returns the number of entries consumed.
///
/// # Errors
/// The kernel's: EINTR, EAGAIN, EBUSY (completions overflowed), EBADR (completions lost), ETIME
/// (the wait's time is over), EEXIST (not the ring's single issuer), EBADFD (ring disabled).
///
/// # Safety
/// * All entries up to the published tail describe memory that stays valid until their completion.
/// * `arg` is null, or points to what `flags` say (`arg_bytes` long).
#[doc(alias = "io_uring_enter")]
#[doc(alias = "io_uring_enter2")]
#[inline]
pub unsafe fn enter(
    fd: u32,
    to_submit: u32,
    min_complete: u32,
    flags: EnterFlags,
    (arg, arg_bytes): (*const c_void, usize),
) -> Result<u32, Errno> {
    // SAFETY: the caller answers for the entries and for `arg`.
    let result = unsafe { enter_call(fd, to_submit, min_complete, flags.0, (arg, arg_bytes)) };
    if result < 0 { Err(refused(result)) } else { Ok(result as u32) }
}

/// The kernel gives an error as its negative number.
#[cold]
fn refused(result: isize) -> Errno {
    Errno(-result as i32)
}

/// # Safety
/// * As for [`enter`].
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn enter_call(
    fd: u32,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    (arg, arg_bytes): (*const c_void, usize),
) -> isize {
    let result;
    // SAFETY: the kernel's convention for system calls: it changes rax, rcx and r11 and no other
    // register, and the stack not at all; the caller answers for the memory that it accesses.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_io_uring_enter as isize => result,
            in("rdi") u64::from(fd),
            in("rsi") u64::from(to_submit),
            in("rdx") u64::from(min_complete),
            in("r10") u64::from(flags),
            in("r8") arg,
            in("r9") arg_bytes,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, preserves_flags),
        );
    }
    result
}

/// # Safety
/// * As for [`enter`].
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn enter_call(
    fd: u32,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    (arg, arg_bytes): (*const c_void, usize),
) -> isize {
    let result;
    // SAFETY: the kernel's convention for system calls: it changes x0 and no other register, and
    // the stack not at all; the caller answers for the memory that it accesses.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") libc::SYS_io_uring_enter,
            inlateout("x0") u64::from(fd) as isize => result,
            in("x1") u64::from(to_submit),
            in("x2") u64::from(min_complete),
            in("x3") u64::from(flags),
            in("x4") arg,
            in("x5") arg_bytes,
            options(nostack, preserves_flags),
        );
    }
    result
}

/// io_uring_register(2): registers, updates or removes resources of a ring.
///
/// # Errors
/// The kernel's; see the manual page for each `op`.
///
/// # Safety
/// * `arg` points to what `op` says, `nr` elements long, and stays valid as long as `op` demands.
#[doc(alias = "io_uring_register")]
pub unsafe fn register(fd: u32, op: u32, arg: *mut c_void, nr: u32) -> Result<u32, Errno> {
    // SAFETY: the caller answers for `arg`.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_register, fd, op, arg, nr) };
    value(result)
}

fn value(result: libc::c_long) -> Result<u32, Errno> {
    if result < 0 { Err(Errno::last()) } else { Ok(result as u32) }
}
