//! A ring that waits for a futex before the process has a second thread is not found by a wake.
//!
//! *Evidence*: Linux 6.17 gives a process a table of its own for the futexes that it shares with
//! nobody, when it starts its first thread (PR_FUTEX_HASH(2const)). Waits that are in the table of
//! the system stay there. A runtime of one thread, asleep in its ring, that started its first
//! thread by `spawn_blocking` slept for ever; lalinsky/zio#402.
//!
//! *Answer*: the table is there before a ring may wait (`core::futex_hash`).
//!
//! Each test is a child, which has one thread, and an alarm.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::futex::Futex;
use annulus::runtime::Runtime;

use super::fork::in_child;
use crate::harness::{check, own_process};

/// Runs in a process that has one thread, and ends it if it hangs.
fn alone(test: impl AsyncFnOnce() -> std::io::Result<()>) {
    let _own = own_process();
    let code = in_child(|| {
        // SAFETY: no pointers; the signal ends this child, which is what it is for.
        unsafe { libc::alarm(60) };
        check(Runtime::builder(), async {
            // Long enough that the core sleeps in its ring.
            annulus::time::sleep(Duration::from_millis(20)).await;
            test().await
        });
    });
    assert_eq!(code, 0);
}

#[test]
fn a_core_that_slept_before_the_first_thread_hears_that_one() {
    alone(async || {
        assert_eq!(annulus::task::spawn_blocking(|| 7).await.expect("no panic"), 7);
        Ok(())
    });
}

#[test]
fn a_core_that_slept_before_the_first_thread_hears_a_waker_of_it() {
    alone(async || {
        let (sender, receiver) = annulus::sync::cross::oneshot();
        let thread = std::thread::spawn(move || sender.send(7));
        assert_eq!(receiver.await.expect("it is sent"), 7);
        thread.join().expect("no panic").expect("it is received");
        Ok(())
    });
}

#[test]
fn a_wait_for_a_futex_from_before_the_first_thread_is_found_by_its_wake() {
    alone(async || {
        let gate = Futex::of_process(Arc::new(AtomicU32::new(0)));
        let waiting = annulus::spawn({
            let gate = gate.clone();
            async move { gate.wait(0).await }
        });
        annulus::time::sleep(Duration::from_millis(20)).await;
        let woken = std::thread::spawn(move || {
            gate.store(1, Ordering::Release);
            gate.wake(1)
        });
        assert_eq!(woken.join().expect("no panic")?, 1, "the wake found who waits");
        assert!(waiting.await.expect("no panic")?);
        Ok(())
    });
}
