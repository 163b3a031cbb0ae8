//! Scopes: no child outlives one.

use std::cell::RefCell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use annulus_task::{Scope, scope, spawn};

use crate::support::*;

#[test]
fn a_scope_ends_after_its_last_child() {
    let executor = executor();
    let task = executor.spawn(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let kept = Rc::clone(&order);
        let output = scope(|s| async move {
            for rounds in [3, 1, 2] {
                let order = Rc::clone(&order);
                s.spawn(async move {
                    for _ in 0..rounds {
                        yield_now().await;
                    }
                    order.borrow_mut().push(rounds);
                });
            }
            order.borrow_mut().push(0);
            "body"
        })
        .await;
        (output, kept.take())
    });
    let _entered = executor.enter();
    settle(&executor);
    assert_eq!(result(task).unwrap(), ("body", vec![0, 1, 2, 3]));
}

#[test]
fn children_may_spawn_siblings_and_are_joined_by_their_handles() {
    let executor = executor();
    let sum = block_on(&executor, async {
        scope(|s| async move {
            let grand = s.clone();
            let child = s.spawn(async move { grand.spawn(async { 2 }).await.unwrap() + 1 });
            assert_eq!(s.live(), 1);
            child.await.unwrap()
        })
        .await
    });
    assert_eq!(sum, 3);
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn dropping_a_scope_drops_its_children_before_it_returns() {
    let executor = executor();
    let _entered = executor.enter();
    let ((polled, polled_counts), (fresh, fresh_counts)) = (Probe::new(0), Probe::new(0));
    let mut running = Box::pin(scope(|s| async move {
        s.spawn(polled);
        yield_now().await;
        s.spawn(fresh);
        pending::<()>().await;
    }));
    assert!(poll_once(&mut running).is_pending());
    settle(&executor);
    assert!(poll_once(&mut running).is_pending());
    assert_eq!(executor.live_tasks(), 2);
    drop(running);
    assert_eq!((polled_counts.get(), fresh_counts.get()), ((1, 1), (0, 1)));
    assert_eq!(executor.live_tasks(), 0);
    settle(&executor);
}

#[test]
fn a_panic_in_the_body_ends_the_children_and_goes_on() {
    let executor = executor();
    let _entered = executor.enter();
    let (probe, counts) = Probe::new(0);
    let task = executor.spawn(scope(|s| async move {
        s.spawn(probe);
        yield_now().await;
        panic!("in the body")
    }));
    settle(&executor);
    assert_eq!(result::<()>(task).unwrap_err().to_string(), "the task panicked: in the body");
    assert_eq!(counts.get(), (1, 1));
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn a_child_that_panics_ends_alone() {
    let executor = executor();
    block_on(&executor, async {
        let error = scope(|s| async move {
            let other = s.spawn(async { 1 });
            let error = s.spawn_named("bad", async { panic!("alone") }).await.unwrap_err();
            assert_eq!(other.await.unwrap(), 1);
            error
        })
        .await;
        assert!(error.is_panic());
    });
}

#[test]
fn aborting_all_children_lets_the_scope_end() {
    let executor = executor();
    block_on(&executor, async {
        let handle = scope(|s| async move {
            let handle = s.spawn(pending::<()>());
            s.abort_all();
            handle.abort_handle()
        })
        .await;
        assert!(handle.is_finished());
    });
}

#[test]
fn what_is_spawned_on_a_scope_that_has_ended_is_dropped() {
    let executor = executor();
    block_on(&executor, async {
        let late: Scope = scope(|s| async move { s }).await;
        let (probe, counts) = Probe::new(1);
        let handle = late.spawn(probe);
        assert_eq!(counts.get(), (0, 1));
        assert!(handle.await.unwrap_err().is_aborted());
    });
}

#[test]
fn a_child_that_drops_its_own_scope_is_spared_until_its_poll_returns() {
    type Running = Pin<Box<dyn Future<Output = ()>>>;
    let executor = executor();
    let _entered = executor.enter();
    let place: Rc<RefCell<Option<Running>>> = Rc::default();
    let inside = Rc::clone(&place);
    let (probe, counts) = Probe::new(0);
    let running = Box::pin(scope(|s| async move {
        s.spawn(async move {
            let _probe = probe;
            drop(inside.borrow_mut().take());
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    *place.borrow_mut() = Some(running);
    let mut running = place.borrow_mut().take().unwrap();
    assert!(poll_once(&mut running).is_pending());
    *place.borrow_mut() = Some(running);
    settle(&executor);
    assert_eq!((counts.get(), executor.live_tasks()), ((0, 1), 0));
}

#[test]
fn a_deep_chain_of_scopes_is_dropped_without_recursion() {
    const DEPTH: u32 = 20_000;
    fn nest(depth: u32) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            scope(|s| async move {
                if depth > 0 {
                    s.spawn(nest(depth - 1));
                }
                pending::<()>().await;
            })
            .await;
        })
    }
    on_a_small_stack(|| {
        let executor = executor();
        let _entered = executor.enter();
        let root = spawn(nest(DEPTH));
        settle(&executor);
        assert_eq!(executor.live_tasks(), DEPTH as usize + 1);
        root.abort();
        settle(&executor);
        assert_eq!(executor.live_tasks(), 0);
        assert!(matches!(result(root), Err(error) if error.is_aborted()));
    });
}

#[test]
fn a_scope_that_spawns_for_ever_keeps_no_trace_of_those_that_ended() {
    let executor = executor();
    block_on(&executor, async {
        scope(|s| async move {
            for _ in 0..3 {
                s.spawn(async {}).await.unwrap();
            }
            let before = allocations();
            for _ in 0..1000 {
                s.spawn(async {}).await.unwrap();
            }
            assert_eq!(allocations(), before);
        })
        .await;
    });
}

#[test]
fn a_scope_that_outlives_its_executor_is_dropped_in_peace() {
    let executor = executor();
    let entered = executor.enter();
    let mut running = Box::pin(scope(|s| async move {
        s.spawn(pending::<()>());
        pending::<()>().await;
    }));
    assert!(matches!(poll_once(&mut running), Poll::Pending));
    drop(entered);
    drop(executor);
    drop(running);
}

#[test]
fn a_scope_of_a_core_that_has_ended_drops_its_children_first_while_something_is_buried() {
    let executor = executor();
    let _entered = executor.enter();
    let asked = Rc::new(RefCell::new(None));
    let answer = Rc::clone(&asked);
    let last_will = OnDrop(move || {
        let (child, counts) = Probe::new(0);
        let mut running = Box::pin(scope(|s| async move {
            s.spawn(child);
            pending::<()>().await;
        }));
        assert!(poll_once(&mut running).is_pending());
        drop(running);
        *answer.borrow_mut() = Some(counts.get());
    });
    let task = executor.spawn(async move { last_will });
    settle(&executor);
    executor.shutdown();
    drop(task);
    assert_eq!(*asked.borrow(), Some((0, 1)));
}
