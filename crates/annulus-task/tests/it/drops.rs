//! Drops: of executors with live tasks, and of long chains.

use std::any::Any;
use std::future::pending;

use annulus_task::JoinHandle;

use crate::support::*;

const LINKS: u32 = 1_000_000;

#[test]
fn an_executor_drops_its_futures_whatever_state_they_are_in() {
    let executor = executor();
    let (waiting, waiting_counts) = Probe::new(0);
    let (ready, ready_counts) = Probe::new(1);
    let handles = [executor.spawn(waiting), {
        settle(&executor);
        executor.spawn(ready)
    }];
    drop(executor);
    assert_eq!(waiting_counts.get(), (1, 1));
    assert_eq!(ready_counts.get(), (0, 1));
    for handle in handles {
        assert!(result(handle).unwrap_err().is_aborted());
    }
}

#[test]
fn a_million_tasks_each_holding_the_handle_of_the_one_before_are_dropped_without_recursion() {
    on_a_small_stack(|| {
        let executor = executor();
        let mut handle = executor.spawn(pending::<()>());
        for _ in 0..LINKS {
            let before = handle;
            handle = executor.spawn(async move {
                let _held = before;
                pending::<()>().await;
            });
        }
        drop(handle);
        drop(executor);
    });
}

#[test]
fn a_million_results_each_holding_the_handle_of_the_one_before_are_dropped_without_recursion() {
    on_a_small_stack(|| {
        let executor = executor();
        let mut handle: JoinHandle<Box<dyn Any>> =
            executor.spawn(async { Box::new(()) as Box<dyn Any> });
        for _ in 0..LINKS {
            let before = handle;
            handle = executor.spawn(async move { Box::new(before) as Box<dyn Any> });
        }
        assert_eq!(settle(&executor), LINKS + 1);
        assert_eq!(executor.live_tasks(), 0);
        drop(handle);
    });
}

#[test]
fn a_million_tasks_that_await_one_another_end_and_are_aborted_without_recursion() {
    on_a_small_stack(|| {
        let executor = executor();
        let first = executor.spawn(pending::<()>());
        let (first_id, mut last) = (
            first.id(),
            executor.spawn(async move {
                first.await.map_err(drop).unwrap_err();
            }),
        );
        for _ in 0..LINKS / 2 {
            let before = last;
            last = executor.spawn(async move { before.await.unwrap() });
        }
        let _entered = executor.enter();
        settle(&executor);
        assert!(!last.is_finished());
        executor.wake(first_id);
        last.abort();
        settle(&executor);
        assert!(result(last).unwrap_err().is_aborted());
        executor.shutdown();
        assert_eq!(executor.live_tasks(), 0);
    });
}
