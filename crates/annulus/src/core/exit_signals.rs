//! The signals that ask a process to end: SIGINT and SIGTERM.
//!
//! Owns: their handlers, the counter of the kernel (eventfd(2)) that these write to, and which
//! signal came last. Does not own: what ends then. Mirrors sigaction(2), signal-safety(7).
//!
//! Invariants: a handler makes one system call and touches one atomic; it is in force once, so a
//! second signal does what the system does by default and ends the process.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::event::{EventfdFlags, eventfd};

static COUNTER: OnceLock<OwnedFd> = OnceLock::new();
/// The descriptor of `COUNTER`, for the handler, which must not run what `OnceLock` does.
static COUNTER_FD: AtomicI32 = AtomicI32::new(-1);
static LAST: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    // ORDERING: Relaxed; the write below and the read of who waits order it.
    LAST.store(signal, Ordering::Relaxed);
    // ORDERING: Relaxed, pairs with the store in `install`, which comes before any handler.
    let fd = COUNTER_FD.load(Ordering::Relaxed);
    let one = 1_u64.to_ne_bytes();
    // SAFETY: async-signal-safe; the eight bytes are there, and the descriptor is never closed.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}

/// Installs the handlers, for one signal of each kind. Gives the descriptor that is readable once
/// one has come.
pub(crate) fn install() -> io::Result<BorrowedFd<'static>> {
    use std::os::fd::AsFd as _;
    let counter = match COUNTER.get() {
        Some(counter) => counter,
        None => {
            let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            COUNTER.get_or_init(|| made)
        }
    };
    // ORDERING: Relaxed, pairs with the load in `note`; sigaction(2) comes after it.
    COUNTER_FD.store(counter.as_raw_fd(), Ordering::Relaxed);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: every field is an integer, a pointer or an optional function; zero is a value.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        // SAFETY: the handler is async-signal-safe, and `action` is complete.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(counter.as_fd())
}

/// The signal that came, if one has since the last call.
pub(crate) fn take() -> Option<i32> {
    let counter = COUNTER.get()?;
    let mut count = [0; 8];
    rustix::io::read(counter, &mut count).ok()?;
    // ORDERING: Relaxed, pairs with the store in `note`, before the write that was just read. There
    // is none if a child that was forked, and shares the counter, has heard it.
    Some(LAST.swap(0, Ordering::Relaxed)).filter(|signal| *signal != 0)
}
