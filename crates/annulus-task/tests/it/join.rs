//! Outputs and join handles.

use std::future::{pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus_task::{JoinError, JoinHandle, current_task, task_of};

use crate::support::*;

#[test]
fn a_task_gives_its_output_to_its_handle() {
    let executor = executor();
    let handle = executor.spawn(async { String::from("output") });
    assert!(!handle.is_finished());
    assert_eq!(settle(&executor), 1);
    assert!(handle.is_finished());
    assert_eq!(result(handle).unwrap(), "output");
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn a_task_that_joins_another_is_woken_by_its_end() {
    let executor = executor();
    let answer = block_on(&executor, async {
        let inner = executor.spawn(async {
            yield_now().await;
            41
        });
        let outer = executor.spawn(async move { inner.await.unwrap() + 1 });
        outer.await.unwrap()
    });
    assert_eq!(answer, 42);
}

#[test]
fn the_future_is_gone_before_the_join_is_ready() {
    let executor = executor();
    let (probe, counts) = Probe::new(1);
    let mut handle = executor.spawn(probe);
    assert!(poll_once(&mut handle).is_pending());
    settle(&executor);
    assert_eq!(counts.get(), (1, 1));
    assert!(matches!(poll_once(&mut handle), Poll::Ready(Ok(1))));
}

#[test]
fn the_waker_of_the_last_poll_of_a_handle_is_the_one_that_is_woken() {
    let executor = executor();
    let mut handle = executor.spawn(ready(()));
    let (first, first_waker) = Counting::new();
    let (last, last_waker) = Counting::new();
    for waker in [&first_waker, &first_waker, &last_waker, &last_waker] {
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(waker)).is_pending());
    }
    settle(&executor);
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
}

#[test]
fn a_detached_task_runs_on_and_its_output_is_dropped() {
    let executor = executor();
    let (probe, counts) = Probe::new(2);
    let id = {
        let handle = executor.spawn(async move {
            let held = OnDrop(|| ());
            probe.await;
            held
        });
        let id = handle.id();
        handle.detach();
        id
    };
    settle(&executor);
    assert_eq!((counts.get(), executor.live_tasks()), ((1, 0), 1));
    executor.wake(id);
    settle(&executor);
    assert_eq!((counts.get(), executor.live_tasks()), ((2, 1), 0));
}

#[test]
fn a_handle_still_has_the_result_when_its_executor_is_gone() {
    let first = executor();
    let done = first.spawn(async { vec![1, 2, 3] });
    let aborted = {
        settle(&first);
        first.spawn(pending::<()>())
    };
    drop(first);
    assert_eq!(result(done).unwrap(), [1, 2, 3]);
    assert!(matches!(result(aborted), Err(JoinError::Aborted)));
}

#[test]
fn an_unread_output_is_dropped_with_the_handle_after_the_executor() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    let handle = executor.spawn(ready(probe));
    settle(&executor);
    drop(executor);
    assert_eq!(counts.get(), (0, 0));
    drop(handle);
    assert_eq!(counts.get(), (0, 1));
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn a_handle_that_was_ready_must_not_be_polled_again() {
    let executor = executor();
    let mut handle = executor.spawn(ready(()));
    settle(&executor);
    assert!(poll_once(&mut handle).is_ready());
    let _ = poll_once(&mut handle);
}

#[test]
fn a_task_knows_its_own_name() {
    let executor = executor();
    let _entered = executor.enter();
    assert_eq!(current_task(), None);
    let handle = executor
        .spawn(std::future::poll_fn(|cx| Poll::Ready((current_task(), task_of(cx.waker())))));
    let id = handle.id();
    settle(&executor);
    assert_eq!(result(handle).unwrap(), (Some(id), Some(id)));
    assert_eq!(current_task(), None);
}

#[test]
fn a_future_with_a_large_alignment_is_aligned() {
    #[repr(align(256))]
    struct Aligned(u8);
    let executor = executor();
    let handle = executor.spawn(async {
        let value = Aligned(7);
        let address = std::ptr::from_ref(&value).addr();
        yield_now().await;
        (address, value)
    });
    settle(&executor);
    let (address, value) = result(handle).unwrap();
    assert_eq!((address % 256, value.0), (0, 7));
}

#[test]
fn a_task_that_holds_its_own_handle_ends_and_leaves_nothing() {
    let executor = executor();
    let slot = std::rc::Rc::new(std::cell::RefCell::new(None::<JoinHandle<()>>));
    let (probe, counts) = Probe::new(1);
    let held = std::rc::Rc::clone(&slot);
    let handle = executor.spawn(async move {
        probe.await;
        drop(held);
    });
    *slot.borrow_mut() = Some(handle);
    drop(slot);
    settle(&executor);
    assert_eq!((counts.get(), executor.live_tasks()), ((1, 1), 0));
}
