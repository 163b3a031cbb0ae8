//! Wakes on the core's own thread, and the order of runs.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::{Poll, Waker};

use annulus_task::{TaskId, current, task_of, wake_current};

use crate::support::*;

#[test]
fn tasks_run_in_the_order_in_which_they_were_woken() {
    let executor = executor();
    let order = Rc::new(RefCell::new(Vec::new()));
    let ids: Vec<_> = (0..4)
        .map(|number| {
            let order = Rc::clone(&order);
            executor.spawn(poll_fn(move |_cx| {
                order.borrow_mut().push(number);
                Poll::<()>::Pending
            }))
        })
        .map(|handle| handle.id())
        .collect();
    settle(&executor);
    for number in [2, 0, 3, 1, 2, 2] {
        executor.wake(ids[number]);
    }
    settle(&executor);
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 2, 0, 3, 1]);
}

#[test]
fn a_run_polls_what_is_woken_meanwhile_within_its_budget() {
    let executor = executor();
    let _entered = executor.enter();
    let ids = Rc::new(Cell::new([None; 2]));
    let pair = [0, 1].map(|me: usize| {
        let ids = Rc::clone(&ids);
        executor.spawn(poll_fn(move |_| {
            if let Some(other) = ids.get()[1 - me] {
                annulus_task::wake_current(other);
            }
            Poll::<()>::Pending
        }))
    });
    ids.set([Some(pair[0].id()), Some(pair[1].id())]);
    assert_eq!(executor.run(3), 3);
    assert_eq!(executor.run(0), 0);
    assert_eq!(executor.run(100), 100);
    assert!(executor.has_ready());
}

#[test]
fn a_task_that_yields_or_wakes_itself_is_polled_once_in_a_run() {
    let executor = executor();
    let _entered = executor.enter();
    for task in 0..10 {
        executor.spawn(async move {
            loop {
                match task % 2 {
                    0 => yield_now().await,
                    _ => annulus_task::yield_now().await,
                }
            }
        });
    }
    assert_eq!(executor.run(3), 3);
    assert_eq!(executor.run(0), 0);
    assert_eq!(executor.run(100), 10);
    assert!(executor.has_ready());
}

#[test]
fn many_wakes_before_a_poll_are_one_poll() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    let id = executor.spawn(probe).id();
    executor.run(1);
    for _ in 0..5 {
        executor.wake(id);
    }
    assert_eq!(settle(&executor), 1);
    assert_eq!(counts.polls.get(), 2);
}

#[test]
fn waking_a_task_that_is_done_wakes_neither_it_nor_its_successor() {
    let executor = executor();
    let _entered = executor.enter();
    let stale = executor.spawn(ready(())).id();
    settle(&executor);
    let (probe, counts) = Probe::new(0);
    assert_eq!(executor.spawn(probe).id().index(), stale.index());
    settle(&executor);
    executor.wake(stale);
    wake_current(stale);
    assert_eq!(settle(&executor), 0);
    assert_eq!(counts.polls.get(), 1);
}

#[test]
fn wakers_of_a_core_that_is_gone_do_nothing_to_the_next_core_of_its_slot() {
    let mut wakers = Vec::new();
    for _ in 0..2000 {
        let executor = executor();
        let _entered = executor.enter();
        for waker in &wakers {
            Waker::wake_by_ref(waker);
        }
        assert!(!executor.has_ready() && !executor.drain_inbox() && !executor.take_root_wake());
        wakers = vec![executor.root_waker()];
        let kept = Rc::new(RefCell::new(None));
        let keep = Rc::clone(&kept);
        executor.spawn(poll_fn(move |cx| {
            *keep.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        settle(&executor);
        wakers.push(kept.take().unwrap());
    }
}

#[test]
fn a_task_of_another_core_on_the_same_thread_is_woken_through_its_inbox() {
    let (one, two) = (executor(), executor());
    let (probe, counts) = Probe::new(0);
    let id = two.spawn(probe).id();
    settle(&two);
    let _entered = one.enter();
    one.wake(id);
    assert!(!one.has_ready() && !two.has_ready());
    assert!(two.drain_inbox() && two.has_ready());
    settle(&two);
    assert_eq!(counts.polls.get(), 2);
}

#[test]
fn entering_nests_and_restores_what_was_current() {
    let (one, two) = (executor(), executor());
    assert_ne!(one.id(), two.id());
    assert_eq!(current(), None);
    let outer = one.enter();
    assert_eq!(current(), Some(one.id()));
    drop(two.enter());
    {
        let _inner = two.enter();
        assert_eq!(current(), Some(two.id()));
    }
    assert_eq!(current(), Some(one.id()));
    drop(outer);
    assert_eq!(current(), None);
}

#[test]
fn the_root_waker_is_remembered_until_it_is_asked_for() {
    let executor = executor();
    let waker = executor.root_waker();
    assert!(!executor.take_root_wake());
    {
        let _entered = executor.enter();
        waker.wake_by_ref();
    }
    assert!(executor.take_root_wake() && !executor.take_root_wake());
    waker.wake_by_ref();
    assert!(executor.drain_inbox());
    assert!(executor.take_root_wake() && !executor.has_ready());
    assert!(task_of(&waker).is_some());
}

#[test]
fn a_sleep_may_block_only_if_nothing_is_to_be_done() {
    let executor = executor();
    assert!(executor.sleep(|may_block| may_block));
    let handle = executor.spawn(pending::<()>());
    assert!(!executor.sleep(|may_block| may_block));
    settle(&executor);
    assert!(executor.sleep(|may_block| may_block));
    wake_current(handle.id());
    assert!(!executor.sleep(|may_block| may_block));
    settle(&executor);
    annulus_task::post(executor.id(), || ()).unwrap();
    assert!(!executor.sleep(|may_block| may_block));
    settle(&executor);
    executor.wake(task_of(&executor.root_waker()).unwrap());
    assert!(!executor.sleep(|may_block| may_block));
    assert!(executor.take_root_wake());
}

#[test]
fn a_name_that_was_made_up_of_bits_leaves_the_wakes_of_others_alone() {
    let (one, two) = (executor(), executor());
    let executor = if one.id().slot() == 0 { two } else { one };
    let mut polls = 0;
    let (shown, seen) = (Rc::new(RefCell::new(None::<Waker>)), Rc::new(Cell::new(0)));
    let (show, counted) = (Rc::clone(&shown), Rc::clone(&seen));
    let handle = executor.spawn(poll_fn(move |cx| {
        polls += 1;
        counted.set(polls);
        *show.borrow_mut() = Some(cx.waker().clone());
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    }));
    settle(&executor);
    let waker = shown.take().expect("the task was polled");
    // The slot stands at the top; index and generation are zero.
    let bits = handle.id().to_bits();
    let shift = (0..64).find(|&shift| bits >> shift == u64::from(executor.id().slot()));
    let made_up = TaskId::from_bits((bits >> shift.unwrap()) << shift.unwrap()).unwrap();
    std::thread::spawn(move || {
        waker.wake();
        wake_current(made_up);
    })
    .join()
    .expect("a waker does not panic");
    settle(&executor);
    assert_eq!(seen.get(), 2);
    assert!(handle.is_finished());
}
