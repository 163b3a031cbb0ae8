//! Panics: in polls, in destructors, in outputs, in foreign wakers, in jobs.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use annulus_task::{Executor, JoinError, OnPanic, post};

use crate::support::*;

/// Panics with this number when dropped.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(self.0);
    }
}

fn number(result: Result<(), JoinError>) -> u32 {
    *result.unwrap_err().into_panic().downcast().expect("the payload is a number")
}

/// Neither the run queue nor the accounts have suffered.
fn still_works(executor: &Executor) {
    assert_eq!(executor.live_tasks(), 0);
    let handle = executor.spawn(async {
        yield_now().await;
        1
    });
    settle(executor);
    assert_eq!(result(handle).unwrap(), 1);
}

#[test]
fn a_panic_in_a_poll_ends_that_task_only_and_its_payload_goes_to_the_join() {
    let executor = executor();
    let handle = executor.spawn(async { panic!("boom") });
    let (probe, counts) = Probe::new(1);
    let other = executor.spawn(probe);
    settle(&executor);
    let error: JoinError = result::<()>(handle).unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: boom");
    assert_eq!((result(other).unwrap(), counts.get()), (1, (1, 1)));
    still_works(&executor);
}

#[test]
fn a_panic_in_the_destructor_of_a_future_that_is_ready_becomes_the_result() {
    let executor = executor();
    let bomb = Bomb(7);
    let handle = executor.spawn(poll_fn(move |_cx| {
        let _held = &bomb;
        Poll::Ready(())
    }));
    settle(&executor);
    assert_eq!(number(result(handle)), 7);
    still_works(&executor);
}

#[test]
fn a_panic_in_the_destructor_of_an_aborted_future_becomes_the_result() {
    let executor = executor();
    let bomb = Bomb(8);
    let handle = executor.spawn(async move {
        let _held = bomb;
        std::future::pending::<()>().await;
    });
    handle.abort();
    settle(&executor);
    assert_eq!(number(result(handle)), 8);
    still_works(&executor);
}

#[test]
fn of_a_panic_in_the_poll_and_one_in_the_destructor_the_first_is_the_result() {
    let executor = executor();
    let bomb = Bomb(2);
    let handle = executor.spawn(poll_fn(move |_cx| {
        let _held = &bomb;
        std::panic::panic_any(1_u32)
    }));
    settle(&executor);
    assert_eq!(number(result(handle)), 1);
    still_works(&executor);
}

#[test]
fn an_output_that_nobody_wants_may_panic_when_it_is_dropped() {
    let executor = executor();
    executor.spawn(ready(Bomb(1))).detach();
    let unread = executor.spawn(ready(Bomb(2)));
    settle(&executor);
    drop(unread);
    still_works(&executor);
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_is_contained_when_nobody_joins() {
    let executor = executor();
    executor.spawn(async { std::panic::panic_any(Bomb(1)) }).detach();
    settle(&executor);
    still_works(&executor);
}

#[test]
fn a_foreign_waker_may_panic_when_a_join_wakes_it() {
    struct Panicking;
    impl Wake for Panicking {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let executor = executor();
    let mut handle = executor.spawn(ready(4));
    let waker = Waker::from(Arc::new(Panicking));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    settle(&executor);
    assert_eq!(result(handle).unwrap(), 4);
    still_works(&executor);
}

#[test]
fn a_job_that_panics_does_not_take_those_behind_it_along() {
    let executor = executor();
    let (done, count) = Counting::new();
    post(executor.id(), || panic!("a job that panics")).unwrap();
    post(executor.id(), move || count.wake()).unwrap();
    assert!(executor.drain_inbox());
    assert_eq!(done.wakes(), 1);
    still_works(&executor);
}

#[test]
fn panics_in_destructors_do_not_stop_a_shutdown() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    for number in 0..3 {
        let bomb = Bomb(number);
        executor.spawn(async move {
            let _held = bomb;
            std::future::pending::<()>().await;
        });
    }
    executor.spawn(probe);
    settle(&executor);
    drop(executor);
    assert_eq!(counts.drops.get(), 1);
}

const CHILD: &str = "ANNULUS_TASK_ABORT_CHILD";

#[test]
fn with_the_policy_abort_a_panic_in_a_task_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        let executor = Executor::new(OnPanic::Abort).unwrap();
        executor.spawn(async { panic!("the last one") });
        executor.run(1);
        // Not reached. A normal end makes the parent fail.
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics::with_the_policy_abort_a_panic_in_a_task_ends_the_process"])
        .env(CHILD, "1")
        .output()
        .unwrap()
        .status;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(6), "the child ended with {status} and not by abort(3)");
}
