//! Sets of tasks.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use annulus_task::{JoinSet, coop};

use crate::support::*;

/// Ready when its switch is on.
#[derive(Clone, Default)]
struct Switch(Rc<(Cell<bool>, RefCell<Option<Waker>>)>);

impl Switch {
    fn turn_on(&self) {
        self.0.0.set(true);
        if let Some(waker) = self.0.1.borrow_mut().take() {
            waker.wake();
        }
    }

    async fn wait(self) {
        std::future::poll_fn(|cx| {
            if self.0.0.get() {
                return Poll::Ready(());
            }
            *self.0.1.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn results_come_in_the_order_in_which_the_tasks_end() {
    let executor = executor();
    let _entered = executor.enter();
    let mut set = JoinSet::new();
    let switches: Vec<Switch> = (0..5).map(|_| Switch::default()).collect();
    for (number, switch) in switches.iter().cloned().enumerate() {
        set.spawn(async move {
            switch.wait().await;
            number
        });
    }
    settle(&executor);
    assert!(set.try_join_next().is_none());
    for number in [3, 0, 4, 1, 2] {
        switches[number].turn_on();
        settle(&executor);
        assert_eq!(set.try_join_next().unwrap().unwrap(), number);
    }
    assert!(set.is_empty() && set.try_join_next().is_none());
}

#[test]
fn a_join_wakes_for_each_end_and_polls_no_task_that_goes_on() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    block_on(&executor, async {
        let mut set = JoinSet::new();
        set.spawn(probe);
        for number in 0..100 {
            set.spawn(async move { number });
        }
        for _ in 0..100 {
            set.join_next().await.unwrap().unwrap();
        }
        assert_eq!(set.len(), 1);
        assert_eq!(counts.get(), (1, 0), "it was polled when it was spawned");
        set.shutdown().await;
        assert_eq!(counts.get(), (1, 1));
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn panics_and_aborts_are_results_with_names() {
    let executor = executor();
    block_on(&executor, async {
        let mut set = JoinSet::new();
        let bad = set.spawn_named("bad", async { panic!("on purpose") });
        let (first, result) = set.join_next_with_id().await.unwrap();
        assert_eq!((first, bad.is_finished()), (bad.id(), true));
        assert!(result.unwrap_err().is_panic());
        let slow = set.spawn(pending::<()>());
        slow.abort();
        let (second, result) = set.join_next_with_id().await.unwrap();
        assert_eq!(second, slow.id());
        assert!(result.unwrap_err().is_aborted());
    });
}

#[test]
fn dropping_a_set_aborts_its_tasks_and_detaching_does_not() {
    let executor = executor();
    let _entered = executor.enter();
    let ((doomed, doomed_counts), (free, free_counts)) = (Probe::new(0), Probe::new(2));
    let mut set: JoinSet<u32> = [doomed].into_iter().collect();
    let mut other = JoinSet::new();
    let switch = Switch::default();
    let waiting = switch.clone();
    other.spawn(async move {
        waiting.wait().await;
        drop(free);
    });
    settle(&executor);
    other.detach_all();
    assert_eq!(other.len(), 0);
    drop(other);
    set.abort_all();
    drop(set);
    settle(&executor);
    assert_eq!((doomed_counts.get(), free_counts.get()), ((1, 1), (0, 0)));
    switch.turn_on();
    settle(&executor);
    assert_eq!(free_counts.get(), (0, 1));
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn a_task_in_a_set_is_one_allocation_at_most_and_neither_end_nor_join_allocates() {
    let executor = executor();
    let _entered = executor.enter();
    let mut set = JoinSet::new();
    for round in 0..3 {
        for number in 0..64_u64 {
            let before = allocations();
            set.spawn(async move { [number; 8] });
            if round > 0 {
                assert_eq!(allocations(), before, "a task of the last round left its memory");
            }
        }
        let before = allocations();
        settle(&executor);
        while let Some(result) = set.try_join_next() {
            result.unwrap();
        }
        assert_eq!(allocations().0, before.0);
    }
}

#[test]
fn a_set_used_again_and_again_does_not_grow() {
    let executor = executor();
    block_on(&executor, async {
        let mut set = JoinSet::new();
        let mut sum = 0_u64;
        for number in 0..100_000_u64 {
            if set.len() == 10 {
                sum += set.join_next().await.unwrap().unwrap();
            }
            set.spawn(async move { number });
        }
        sum += set.join_all().await.into_iter().sum::<u64>();
        assert_eq!(sum, 99_999 * 100_000 / 2);
    });
}

#[test]
fn join_all_passes_a_panic_on_and_aborts_the_others() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    let task = executor.spawn(async {
        let mut set = JoinSet::new();
        set.spawn(probe);
        set.spawn(async { panic!("passed on") });
        set.join_all().await
    });
    let _entered = executor.enter();
    settle(&executor);
    assert_eq!(result(task).unwrap_err().to_string(), "the task panicked: passed on");
    assert_eq!(counts.get().1, 1);
}

#[test]
fn a_thousand_results_at_once_do_not_keep_the_core() {
    let executor = executor();
    let _entered = executor.enter();
    let mut set: JoinSet<()> = (0..1000).map(|_| async {}).collect();
    settle(&executor);
    let joining = executor.spawn(async move { while set.join_next().await.is_some() {} });
    let mut polls = 0;
    while !joining.is_finished() {
        polls += executor.run(1);
    }
    assert!(polls > 1000 / coop::BUDGET, "{polls}");
}

#[test]
fn a_set_on_an_executor_that_was_shut_down_says_aborted() {
    let executor = executor();
    let _entered = executor.enter();
    executor.shutdown();
    let mut set = JoinSet::new();
    set.spawn(async {});
    assert!(set.try_join_next().unwrap().unwrap_err().is_aborted());
}

#[test]
fn a_set_that_is_polled_from_within_the_end_of_its_task_loses_nothing() {
    // The waker polls the set inline, when the future is gone and its result not there yet.
    struct Inline(std::thread::ThreadId);
    thread_local! {
        static SET: RefCell<Option<JoinSet<u32>>> = const { RefCell::new(None) };
        static SEEN: Cell<u32> = const { Cell::new(0) };
    }
    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            assert_eq!(std::thread::current().id(), self.0);
            let waker = Waker::from(self);
            SET.with_borrow_mut(|set| {
                let set = set.as_mut().unwrap();
                let next = pin!(set.join_next());
                if let Poll::Ready(Some(result)) = next.poll(&mut Context::from_waker(&waker)) {
                    SEEN.set(SEEN.get() + result.unwrap());
                }
            });
        }
    }
    let executor = executor();
    let entered = executor.enter();
    let mut set = JoinSet::new();
    set.spawn(async { 7 });
    SET.set(Some(set));
    let waker = Waker::from(Arc::new(Inline(std::thread::current().id())));
    waker.wake_by_ref();
    settle(&executor);
    assert_eq!(SEEN.get(), 7);
    SET.take();
    drop(entered);
}

#[test]
fn outside_of_an_executor_a_spawn_panics_and_leaves_the_set_whole() {
    let mut set = JoinSet::new();
    let outside = std::panic::AssertUnwindSafe(|| set.spawn(async {}));
    assert!(std::panic::catch_unwind(outside).is_err());
    assert!(set.is_empty() && set.try_join_next().is_none());
    let next = pin!(set.join_next());
    let mut next: Pin<&mut _> = next;
    assert!(matches!(poll_once(&mut next), Poll::Ready(None)));
}
