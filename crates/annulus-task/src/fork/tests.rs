//! One value for a process; children that wait for nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;

use super::*;

unsafe extern "C" {
    fn fork() -> i32;
    fn alarm(seconds: u32) -> u32;
    fn waitpid(pid: i32, status: &mut i32, options: i32) -> i32;
    fn _exit(code: i32) -> !;
}

/// Runs `test` in a forked child, which is killed if it takes a minute.
pub(crate) fn in_child(test: impl FnOnce()) {
    // SAFETY: the child does what a child of a process with threads may do in practice (glibc makes
    // its allocator usable there), and ends with `_exit`.
    let child = unsafe { fork() };
    assert!(child >= 0, "there is no child");
    if child == 0 {
        // SAFETY: takes a number; nobody handles the signal, which ends this process.
        unsafe { alarm(60) };
        let failed = catch_unwind(AssertUnwindSafe(test)).is_err();
        // SAFETY: ends this process at once.
        unsafe { _exit(i32::from(failed)) };
    }
    let mut status = 0;
    loop {
        // SAFETY: `status` is a place to write to.
        if unsafe { waitpid(child, &mut status, 0) } == child {
            break;
        }
        let error = std::io::Error::last_os_error();
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
    }
    assert_eq!(status, 0, "the child failed, or waited for somebody (signal {})", status & 0x7f);
}

#[test]
fn all_threads_have_one_value_and_a_child_of_a_holder_has_its_own() {
    static COUNT: ForkLock<u32> = ForkLock::new(|| 7);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| *COUNT.lock() += 1);
        }
    });
    let held = COUNT.lock();
    assert_eq!(*held, 11);
    in_child(|| assert_eq!(*COUNT.lock(), 7, "it is the value of the parent"));
}

#[test]
fn a_lock_whose_holder_panicked_is_taken_as_it_was_left() {
    static COUNT: ForkLock<u32> = ForkLock::new(|| 7);
    let holder = std::thread::spawn(|| {
        let mut held = COUNT.lock();
        *held = 8;
        panic!("as the test wants it");
    });
    assert!(holder.join().is_err());
    assert_eq!(*COUNT.lock(), 8);
}

#[test]
fn a_child_has_the_value_of_its_parent_and_does_not_wait_for_one_that_is_being_made() {
    static MADE: ForkOnce<u32> = ForkOnce::new(std::process::id);
    let process = *MADE.get();
    in_child(|| assert_eq!(*MADE.get(), process));

    static MAKES_SLOWLY: AtomicBool = AtomicBool::new(true);
    static MAKING: Barrier = Barrier::new(2);
    static FORKED: Barrier = Barrier::new(2);
    static SLOW: ForkOnce<u32> = ForkOnce::new(|| {
        // ORDERING: Relaxed; only one of those that meet here is to wait.
        if MAKES_SLOWLY.swap(false, Ordering::Relaxed) {
            MAKING.wait();
            FORKED.wait();
        }
        7
    });
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| SLOW.get());
        MAKING.wait();
        // Whatever comes of it, the other thread goes on.
        let told = std::panic::catch_unwind(|| in_child(|| assert_eq!(*SLOW.get(), 7)));
        let ours = SLOW.get();
        FORKED.wait();
        told.expect("the child has it");
        assert!(ptr::eq(slow.join().unwrap(), ours), "there are two values");
    });
}
