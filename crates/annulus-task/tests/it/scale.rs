//! Many tasks, many executors.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use annulus_task::{Executor, OnPanic};

use crate::support::*;

#[test]
fn a_million_live_tasks_are_woken_and_shut_down() {
    const TASKS: u32 = 1_000_000;
    let executor = executor();
    let _entered = executor.enter();
    let polls = Rc::new(Cell::new(0));
    let ids: Vec<_> = (0..TASKS)
        .map(|_| {
            let polls = Rc::clone(&polls);
            executor.spawn(poll_fn(move |_cx| {
                polls.set(polls.get() + 1);
                Poll::<()>::Pending
            }))
        })
        .map(|handle| handle.id())
        .collect();
    assert_eq!(settle(&executor), TASKS);
    for id in &ids {
        executor.wake(*id);
    }
    assert_eq!(settle(&executor), TASKS);
    assert_eq!((polls.get(), executor.live_tasks()), (2 * TASKS, TASKS as usize));
    executor.shutdown();
    assert_eq!((Rc::strong_count(&polls), executor.live_tasks()), (1, 0));
}

#[test]
fn slots_are_used_again_by_thousands_of_executors_with_ever_new_names() {
    let mut names = std::collections::HashSet::new();
    for _ in 0..5_000 {
        let executor = executor();
        assert!(names.insert(executor.id()));
        for _ in 0..3 {
            executor.spawn(async { yield_now().await }).detach();
        }
        executor.run(2);
    }
}

#[test]
fn the_registry_is_full_at_1024_and_says_so() {
    alone("scale::the_registry_is_full_at_1024_and_says_so", || {
        let mut executors: Vec<_> = (0..1024).map(|_| executor()).collect();
        assert!(Executor::new(OnPanic::Contain).is_err());
        executors.pop();
        assert!(Executor::new(OnPanic::Contain).is_ok());
    });
}

#[test]
fn a_million_live_tasks_take_less_than_two_hundred_bytes_each_and_give_them_back() {
    const TASKS: usize = 1_000_000;
    let executor = executor();
    let before = bytes();
    for number in 0..TASKS {
        executor
            .spawn(async move {
                std::future::pending::<()>().await;
                number
            })
            .detach();
    }
    assert_eq!(settle(&executor), TASKS as u32);
    let each = bytes().wrapping_sub(before) / TASKS;
    println!("{each} bytes for a task that waits, its page included");
    assert!(each < 200, "{each} bytes for a task that holds one number");
    executor.shutdown();
    // The pages stay: 32 bytes for a header, and the last page may be as long as all before it.
    assert!(bytes().wrapping_sub(before) <= 80 * TASKS, "a cell was not freed");
}
