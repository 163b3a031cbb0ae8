//! fork(2): a child inherits the memory of cores and a copy of their descriptors, but no thread, no
//! ring memory and no right to speak to the kernel in the parent's name.
//!
//! Owns: how a core that was made before a fork is told from one of this process. Invariants: what
//! a child does with an inherited core, handle or lease reaches nothing of the parent's; at most it
//! closes the child's own copy of a descriptor.
//!
//! The child's handler also forgets which core is current, so inherited handles meet no core: that
//! costs the paths of every operation nothing. A child made by a raw clone(2) runs no handlers and
//! is not recognised.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use annulus_task::CoreId;

/// Forks between the first process with a core and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// The handler is registered: by several threads, if they meet there, which changes nothing. Nobody
/// waits for it, because a child would wait for a thread that it does not have.
static REGISTERED: AtomicBool = AtomicBool::new(false);
/// For each slot of the registry, the value of `FORKS` when its latest core was made.
static MADE_AT: [AtomicU32; SLOTS] = [const { AtomicU32::new(0) }; SLOTS];
const SLOTS: usize = 1024;

/// Notes that a core was made in this process.
///
/// # Errors
/// ENOMEM: nobody would tell a child that the core is not its own.
pub(crate) fn note_core(core: CoreId) -> io::Result<()> {
    // ORDERING: Acquire, pairs with the Release below: who does without is registered.
    if !REGISTERED.load(Ordering::Acquire) {
        // SAFETY: the handler stores to an atomic and to a thread-local without destructor, which
        // is allowed in a child of a process with threads.
        let errno = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno));
        }
        // ORDERING: Release, see above.
        REGISTERED.store(true, Ordering::Release);
    }
    // ORDERING: Relaxed; read in `is_inherited` by threads that got the core's name later, and in a
    // child, which is a copy of this memory.
    MADE_AT[core.slot() as usize % SLOTS].store(forks(), Ordering::Relaxed);
    Ok(())
}

/// Whether a core belongs to a process that this one was forked from.
#[inline]
pub(crate) fn is_inherited(core: CoreId) -> bool {
    is_slot_inherited(core.slot())
}

/// As [`is_inherited`], by the slot of the registry.
#[inline]
pub(crate) fn is_slot_inherited(slot: u32) -> bool {
    let forks = forks();
    // ORDERING: Relaxed; see `note_core`.
    forks != 0 && MADE_AT[slot as usize % SLOTS].load(Ordering::Relaxed) != forks
}

#[inline]
fn forks() -> u32 {
    // ORDERING: Relaxed; written once, by the only thread of a new process.
    FORKS.load(Ordering::Relaxed)
}

extern "C" fn in_child() {
    // ORDERING: Relaxed; this process has one thread.
    FORKS.fetch_add(1, Ordering::Relaxed);
    super::leave_all();
}

/// Closes a descriptor that no core of this process has.
pub(crate) fn close_fd(fd: std::os::fd::RawFd) {
    // SAFETY: a handle owned the descriptor and is gone, and its record is gone as well, or is in a
    // core that this process never runs.
    unsafe { libc::close(fd) };
}

#[cfg(test)]
pub(crate) mod tests;
