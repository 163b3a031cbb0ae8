//! Signal masks of waits. Mirrors sigfd-deadlock's and submit-and-wait's use of masks in liburing.

use std::{mem::MaybeUninit, ptr, thread};

use annulus_ring::{Wait, WaitError, abi::Errno};

use super::{HOUR, MS};
use crate::{
    ops::ring,
    support::{nop, push},
};

const SIGNAL: i32 = libc::SIGUSR2;

extern "C" fn ignore(_: i32) {}

/// A set of these signals.
fn set(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: room for a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for &signal in signals {
        // SAFETY: a set that was initialised above.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: initialised above.
    unsafe { set.assume_init() }
}

/// On a thread of its own: a signal is pending, which the thread blocks.
fn with_a_pending_signal(test: fn()) {
    let thread = thread::spawn(move || {
        // SAFETY: a handler that does nothing; all zeroes is a valid rest.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = ignore as *const () as usize;
        // SAFETY: a valid action, and nothing to be written.
        assert_eq!(unsafe { libc::sigaction(SIGNAL, &action, ptr::null_mut()) }, 0);
        let blocked = set(&[SIGNAL]);
        // SAFETY: a valid set, and nothing to be written.
        let done = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, ptr::null_mut()) };
        assert_eq!(done, 0);
        // SAFETY: this very thread.
        let me = unsafe { libc::pthread_self() };
        // SAFETY: the signal is blocked, so it stays pending.
        assert_eq!(unsafe { libc::pthread_kill(me, SIGNAL) }, 0);
        test();
    });
    thread.join().unwrap();
}

/// Whether the signal is still pending.
fn pending() -> bool {
    let mut waiting = MaybeUninit::uninit();
    // SAFETY: room for a set.
    assert_eq!(unsafe { libc::sigpending(waiting.as_mut_ptr()) }, 0);
    // SAFETY: filled by the call.
    unsafe { libc::sigismember(waiting.as_ptr(), SIGNAL) == 1 }
}

#[test]
fn a_signal_that_the_wait_lets_through_ends_it() {
    with_a_pending_signal(|| {
        let mut ring = ring();
        let wait = Wait::for_completions(1).within(HOUR).blocking(&set(&[]));
        assert_eq!(ring.wait(&wait), Err(WaitError::Kernel(Errno(libc::EINTR))));
        assert!(!pending(), "it was delivered");
    });
}

#[test]
fn a_signal_that_the_wait_blocks_stays_pending() {
    with_a_pending_signal(|| {
        let mut ring = ring();
        let wait = Wait::for_completions(1).within(2 * MS).blocking(&set(&[SIGNAL]));
        assert_eq!(ring.wait(&wait), Ok(0));
        assert!(pending());
        let unmasked = Wait::for_completions(1).within(MS);
        assert_eq!(ring.wait(&unmasked), Ok(0), "without a mask it is the thread's");
        assert!(pending());
    });
}

#[test]
fn the_mask_of_the_thread_is_back_after_the_wait() {
    with_a_pending_signal(|| {
        let mut ring = ring();
        push(&mut ring, &nop(1)).unwrap();
        let wait = Wait::for_completions(1).within(HOUR).blocking(&set(&[SIGNAL, libc::SIGUSR1]));
        assert_eq!(ring.wait(&wait), Ok(1));
        let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: nothing is set, and there is room for what is.
        let done =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()) };
        assert_eq!(done, 0);
        // SAFETY: filled by the call.
        let other = unsafe { libc::sigismember(mask.as_ptr(), libc::SIGUSR1) };
        assert_eq!(other, 0, "blocked for the wait only");
    });
}

#[test]
fn a_mask_needs_no_limit_of_time() {
    with_a_pending_signal(|| {
        let mut ring = ring();
        let wait = Wait::for_completions(1).blocking(&set(&[]));
        assert_eq!(ring.wait(&wait), Err(WaitError::Kernel(Errno(libc::EINTR))));
    });
}
