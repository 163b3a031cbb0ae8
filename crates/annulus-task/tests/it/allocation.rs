//! One allocation per spawn, none per wake or poll.

use std::future::{pending, poll_fn};
use std::task::Poll;

use crate::support::*;

#[test]
fn a_spawn_is_one_allocation_at_most_and_memory_of_ended_tasks_is_used_again() {
    let executor = executor();
    let _entered = executor.enter();
    settle(&executor);
    let spawn = |number: u64| {
        executor.spawn(async move {
            yield_now().await;
            [number; 20]
        })
    };
    let before = allocations();
    let alive: Vec<_> = (0..100).map(spawn).collect();
    let after = allocations();
    assert_eq!((after.0 - before.0, after.1 - before.1), (101, 0), "100 tasks and the vector");
    settle(&executor);
    for (number, handle) in alive.into_iter().enumerate() {
        assert_eq!(result(handle).unwrap()[0], number as u64);
    }
    let before = allocations();
    for number in 0..1000 {
        let handle = spawn(number);
        settle(&executor);
        assert_eq!(result(handle).unwrap()[0], number);
    }
    assert_eq!(allocations(), before);
}

#[test]
fn a_task_too_large_to_be_kept_is_one_allocation_and_one_free() {
    let executor = executor();
    let _entered = executor.enter();
    settle(&executor);
    let before = allocations();
    for number in 0..100_u64 {
        let handle = executor.spawn(async move { [number; 200] });
        settle(&executor);
        assert_eq!(result(handle).unwrap()[0], number);
    }
    let after = allocations();
    assert_eq!((after.0 - before.0, after.1 - before.1), (100, 100));
}

#[test]
fn wakes_and_polls_and_wakers_never_allocate() {
    let executor = executor();
    let _entered = executor.enter();
    let handles: Vec<_> = (0..200)
        .map(|_| {
            executor.spawn(poll_fn(|cx| {
                drop(cx.waker().clone());
                Poll::<()>::Pending
            }))
        })
        .collect();
    settle(&executor);
    let before = allocations();
    for _ in 0..10 {
        for handle in &handles {
            executor.wake(handle.id());
            annulus_task::wake_current(handle.id());
        }
        assert_eq!(settle(&executor), 200);
    }
    assert_eq!(allocations(), before);
}

#[test]
fn a_wake_through_the_inbox_never_allocates_and_a_post_is_one_allocation() {
    let executor = executor();
    let handle = executor.spawn(pending::<()>());
    settle(&executor);
    let before = allocations();
    for _ in 0..10 {
        annulus_task::wake_current(handle.id());
        assert_eq!(settle(&executor), 1);
    }
    assert_eq!(allocations(), before);
    let captured = [0_u64; 8];
    annulus_task::post(executor.id(), move || assert_eq!(captured[7], 0)).unwrap();
    settle(&executor);
    let after = allocations();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
}

#[test]
fn a_storm_of_wakes_from_four_threads_allocates_nothing_on_any_of_them() {
    let executor = executor();
    let ids: Vec<_> = (0..50).map(|_| executor.spawn(pending::<()>()).id()).collect();
    settle(&executor);
    let before = allocations();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let before = allocations();
                for _ in 0..200 {
                    ids.iter().copied().for_each(annulus_task::wake_current);
                }
                assert_eq!(allocations(), before);
            });
        }
    });
    let spawning = allocations();
    assert_eq!(settle(&executor), 50, "each task is polled once for all of its wakes");
    assert_eq!(allocations(), spawning);
    assert!(spawning.0 >= before.0);
}
