//! Yielding, the budget of a poll, and names.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use annulus_task::{Name, coop, current_name, spawn, spawn_named, yield_now};

use crate::support::{Counting, executor, result, settle};

#[test]
fn a_yield_goes_behind_everything_that_is_ready() {
    let executor = executor();
    let order: Rc<RefCell<Vec<u32>>> = Rc::default();
    for number in 0..3 {
        let order = Rc::clone(&order);
        executor
            .spawn(async move {
                order.borrow_mut().push(number);
                yield_now().await;
                order.borrow_mut().push(10 + number);
            })
            .detach();
    }
    let _entered = executor.enter();
    assert_eq!(executor.run(64), 3, "a yield ends the poll, and is not polled again in this run");
    settle(&executor);
    assert_eq!(*order.borrow(), [0, 1, 2, 10, 11, 12]);
}

#[test]
fn a_yield_under_a_foreign_waker_is_woken_when_the_queue_has_moved_on() {
    let executor = executor();
    let _entered = executor.enter();
    let (counting, waker) = Counting::new();
    let other = spawn(async {});
    let mut yielding = pin!(yield_now());
    let mut cx = Context::from_waker(&waker);
    assert!(yielding.as_mut().poll(&mut cx).is_pending());
    assert_eq!(counting.wakes(), 0);
    assert!(!executor.is_idle(), "a core that owes a wake does not sleep");
    executor.run(1);
    assert!(other.is_finished());
    assert_eq!(counting.wakes(), 0);
    executor.run(1);
    assert_eq!((counting.wakes(), executor.is_idle()), (1, true));
    assert!(yielding.poll(&mut cx).is_ready());
}

#[test]
fn a_yield_outside_of_an_executor_wakes_at_once() {
    let (counting, waker) = Counting::new();
    let mut yielding = pin!(yield_now());
    let mut cx = Context::from_waker(&waker);
    assert!(yielding.as_mut().poll(&mut cx).is_pending());
    assert_eq!(counting.wakes(), 1);
    assert!(yielding.poll(&mut cx).is_ready());
}

#[test]
fn yields_that_wait_are_dropped_with_the_executor_and_neither_lost_nor_woken() {
    let executor = executor();
    let entered = executor.enter();
    let (counting, waker) = Counting::new();
    let mut yielding = Box::pin(yield_now());
    assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    executor.shutdown();
    assert_eq!((counting.wakes(), Arc::strong_count(&counting)), (0, 1));
    let again = Waker::from(Arc::clone(&counting));
    let mut late = Box::pin(yield_now());
    assert!(late.as_mut().poll(&mut Context::from_waker(&again)).is_pending());
    drop(entered);
    drop(executor);
    drop(again);
    assert_eq!(Arc::strong_count(&counting), 1);
}

#[test]
fn a_foreign_waker_may_yield_again_while_it_is_woken() {
    struct Again;
    impl Wake for Again {
        fn wake(self: Arc<Self>) {
            let (counting, waker) = Counting::new();
            let mut yielding = Box::pin(yield_now());
            assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(counting.wakes(), 0);
        }
    }
    let executor = executor();
    let _entered = executor.enter();
    let waker = Waker::from(Arc::new(Again));
    let mut yielding = pin!(yield_now());
    assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    executor.run(8);
    assert!(executor.has_ready(), "the second yield waits in the queue");
    executor.run(8);
    assert!(!executor.has_ready());
}

/// Ready for ever, as a queue that never empties.
async fn ever_ready() {
    poll_fn(|cx| {
        ready!(coop::poll_proceed(cx));
        coop::made_progress();
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_task_that_is_ever_ready_has_its_share_and_no_more() {
    let executor = executor();
    let _entered = executor.enter();
    let count = Rc::new(std::cell::Cell::new(0));
    let counting = Rc::clone(&count);
    let greedy = spawn(async move {
        loop {
            ever_ready().await;
            counting.set(counting.get() + 1);
        }
    });
    let modest = spawn(async {});
    executor.run(64);
    assert_eq!((count.get(), modest.is_finished()), (coop::BUDGET, true));
    executor.run(64);
    assert_eq!(count.get(), 2 * coop::BUDGET);
    greedy.detach();
}

#[test]
fn waiting_costs_no_budget() {
    let executor = executor();
    let _entered = executor.enter();
    let polls = Rc::new(std::cell::Cell::new(0));
    let counting = Rc::clone(&polls);
    let many = spawn(poll_fn(move |cx| {
        for _ in 0..10 * coop::BUDGET {
            let proceed = coop::poll_proceed(cx);
            assert!(proceed.is_ready(), "nothing was ready yet");
        }
        counting.set(counting.get() + 1);
        Poll::<()>::Pending
    }));
    settle(&executor);
    assert_eq!(polls.get(), 1, "it waits instead of spinning");
    many.detach();
}

#[test]
fn outside_of_an_executor_there_is_no_budget() {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10 * coop::BUDGET {
        assert!(coop::poll_proceed(&mut cx).is_ready());
        coop::made_progress();
    }
}

#[test]
fn a_name_is_seen_inside_and_outside_and_after_the_end() {
    let executor = executor();
    let _entered = executor.enter();
    let task = spawn_named(format!("worker {}", 3), async { current_name() });
    let plain = spawn(async { current_name() });
    assert!(format!("{task:?}").contains("worker 3"), "{task:?}");
    settle(&executor);
    assert_eq!(task.name(), Some(Name::from("worker 3")));
    assert_eq!(result(task).unwrap().as_deref(), Some("worker 3"));
    assert_eq!((plain.name(), current_name()), (None, None));
    assert_eq!(result(plain).unwrap(), None);
}

#[test]
fn a_watched_run_tells_of_each_poll_with_the_name_and_contains_what_the_watch_throws() {
    let executor = executor();
    let named = executor.spawn_named("seen", async { yield_now().await });
    let plain = executor.spawn(async {});
    let mut seen = Vec::new();
    let _entered = executor.enter();
    for _ in 0..2 {
        executor.run_watched(8, |task, name| seen.push((task, name.map(|name| name.to_string()))));
    }
    let expected = (named.id(), Some("seen".to_owned()));
    assert_eq!(seen, [expected.clone(), (plain.id(), None), expected]);
    let task = executor.spawn(async {});
    executor.run_watched(8, |_, _| {
        executor.shutdown();
        panic!("in the watch")
    });
    assert!(task.is_finished());
}

#[test]
fn a_yield_on_a_core_that_has_shut_down_wakes_at_once() {
    let executor = executor();
    let _entered = executor.enter();
    executor.shutdown();
    let (counting, waker) = Counting::new();
    let mut yielding = pin!(yield_now());
    assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(counting.wakes(), 1, "nobody runs this core again");
}

#[test]
fn a_yield_on_a_core_that_is_gone_but_still_entered_wakes_at_once() {
    // On a thread of its own, because the guard is forgotten.
    std::thread::spawn(|| {
        let gone = executor();
        std::mem::forget(gone.enter());
        drop(gone);
        // It has the slot of the one that is gone.
        let next = executor();
        let (counting, waker) = Counting::new();
        let mut yielding = pin!(yield_now());
        assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(counting.wakes(), 1);
        assert!(next.is_idle(), "it owes nobody a wake");
    })
    .join()
    .expect("nothing is asked of the core that is gone");
}

#[test]
fn a_waker_that_yields_while_it_is_dropped_with_its_core_leaves_nothing_behind() {
    /// Yields on the core that drops it.
    struct Yields;
    impl Wake for Yields {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Yields {
        fn drop(&mut self) {
            let mut yielding = pin!(yield_now());
            assert!(yielding.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    // On a thread of its own, because the guard is forgotten: the core is dropped while entered.
    std::thread::spawn(|| {
        let executor = executor();
        std::mem::forget(executor.enter());
        let waker = Waker::from(Arc::new(Yields));
        assert!(pin!(yield_now()).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        drop(executor);
    })
    .join()
    .expect("the core ends with an empty run queue");
}

#[test]
fn an_executor_that_runs_while_another_one_is_entered_polls_what_yields_again() {
    let (entered, executor) = (executor(), executor());
    let _entered = entered.enter();
    let task = executor.spawn(async {
        for _ in 0..3 {
            yield_now().await;
        }
        // More than the budget of a poll, which is not the other's.
        for _ in 0..1000 {
            poll_fn(|cx| {
                ready!(coop::poll_proceed(cx));
                coop::made_progress();
                Poll::Ready(())
            })
            .await;
        }
    });
    for _ in 0..100 {
        executor.run(64);
    }
    assert!(task.is_finished());
}
