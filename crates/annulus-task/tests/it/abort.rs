//! Abort, in every state a task can be in.

use std::cell::RefCell;
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::Poll;

use annulus_task::{JoinHandle, wake_current};

use crate::support::*;

#[test]
fn a_task_that_was_never_polled_is_dropped_unpolled() {
    let executor = executor();
    let (probe, counts) = Probe::new(1);
    let handle = executor.spawn(probe);
    handle.abort();
    assert!(!handle.is_finished());
    settle(&executor);
    assert_eq!(counts.get(), (0, 1));
    assert!(result(handle).unwrap_err().is_aborted());
}

#[test]
fn a_task_that_waits_is_dropped_in_the_next_run() {
    let executor = executor();
    let _entered = executor.enter();
    let (probe, counts) = Probe::new(2);
    let handle = executor.spawn(probe);
    executor.run(1);
    handle.abort();
    handle.abort();
    assert_eq!(executor.run(10), 1);
    assert_eq!(counts.get(), (1, 1));
    assert!(result(handle).unwrap_err().is_aborted());
}

#[test]
fn an_abort_outside_of_the_core_goes_through_the_inbox() {
    let executor = executor();
    let handle = executor.spawn(pending::<()>());
    executor.run(1);
    handle.abort();
    assert!(!executor.has_ready());
    assert!(executor.drain_inbox());
    assert!(!executor.drain_inbox());
    assert_eq!(executor.run(10), 1);
    assert!(result(handle).unwrap_err().is_aborted());
}

/// A task that can reach its own handle.
fn with_own_handle<F: Future + 'static>(
    executor: &annulus_task::Executor,
    future: impl FnOnce(Rc<RefCell<Option<JoinHandle<F::Output>>>>) -> F,
) -> Rc<RefCell<Option<JoinHandle<F::Output>>>> {
    let own = Rc::new(RefCell::new(None));
    let handle = executor.spawn(future(Rc::clone(&own)));
    *own.borrow_mut() = Some(handle);
    own
}

#[test]
fn a_task_that_aborts_itself_and_waits_is_dropped_when_its_poll_returns() {
    let executor = executor();
    let _entered = executor.enter();
    let (probe, counts) = Probe::new(0);
    let own = with_own_handle(&executor, |own| async move {
        own.borrow().as_ref().unwrap().abort();
        probe.await;
    });
    assert_eq!(executor.run(1), 1);
    assert_eq!(counts.get(), (1, 1));
    let handle = own.take().unwrap();
    assert!(result(handle).unwrap_err().is_aborted());
    assert_eq!(executor.run(10), 0);
}

#[test]
fn a_task_that_aborts_itself_and_ends_keeps_its_output() {
    let executor = executor();
    let _entered = executor.enter();
    let own = with_own_handle(&executor, |own| async move {
        own.borrow().as_ref().unwrap().abort();
        "output"
    });
    settle(&executor);
    let handle = own.take().unwrap();
    assert_eq!(result(handle).unwrap(), "output");
}

#[test]
fn aborting_a_task_that_is_done_changes_nothing() {
    let executor = executor();
    let _entered = executor.enter();
    let handle = executor.spawn(ready(5));
    settle(&executor);
    let successor = executor.spawn(pending::<()>());
    settle(&executor);
    handle.abort();
    assert_eq!(settle(&executor), 0);
    assert_eq!(result(handle).unwrap(), 5);
    assert!(!successor.is_finished());
}

#[test]
fn an_abort_from_the_destructor_of_the_very_future_changes_nothing() {
    let executor = executor();
    let _entered = executor.enter();
    let own = with_own_handle(&executor, |own| {
        let on_drop = OnDrop(move || {
            let own = own.borrow();
            let handle = own.as_ref().unwrap();
            assert!(!handle.is_finished());
            handle.abort();
            wake_current(handle.id());
        });
        async move {
            yield_now().await;
            drop(on_drop);
            3
        }
    });
    settle(&executor);
    let handle = own.take().unwrap();
    assert_eq!(result(handle).unwrap(), 3);
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn a_task_aborts_another_and_waits_until_it_is_gone() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    let victim = executor.spawn(probe);
    let error = block_on(&executor, async {
        yield_now().await;
        victim.abort();
        victim.await.unwrap_err()
    });
    assert!(error.is_aborted());
    assert_eq!(counts.drops.get(), 1);
}

#[test]
fn an_abort_after_the_executor_is_gone_changes_nothing() {
    let first = executor();
    let handle = first.spawn(ready(1));
    settle(&first);
    drop(first);
    handle.abort();
    assert_eq!(result(handle).unwrap(), 1);
}

#[test]
fn a_task_that_spawns_and_aborts_in_one_poll_never_polls_the_child() {
    let executor = Rc::new(executor());
    let (probe, counts) = Probe::new(1);
    let parent = Rc::clone(&executor);
    let mut probe = Some(probe);
    let handle = executor.spawn(poll_fn(move |_cx| {
        let child = parent.spawn(probe.take().unwrap());
        child.abort();
        Poll::Ready(child)
    }));
    settle(&executor);
    let child = result(handle).unwrap();
    assert!(result(child).unwrap_err().is_aborted());
    assert_eq!(counts.get(), (0, 1));
}
