//! User code that calls back: from polls, from destructors, from foreign wakers.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use annulus_task::{Executor, JoinHandle, post, scope, wake_current};

use crate::support::*;

#[test]
fn a_destructor_may_spawn_wake_abort_and_post() {
    let executor = Rc::new(executor());
    let _entered = executor.enter();
    let woken = executor.spawn(pending::<()>());
    let victim = Rc::new(executor.spawn(pending::<()>()));
    settle(&executor);
    let polls = Rc::new(Cell::new(0));
    let (inner, counted, aborted) = (Rc::clone(&executor), Rc::clone(&polls), Rc::clone(&victim));
    let on_drop = OnDrop(move || {
        wake_current(woken.id());
        aborted.abort();
        post(inner.id(), || ()).unwrap();
        let counted = Rc::clone(&counted);
        inner.spawn(async move { counted.set(counted.get() + 1) }).detach();
    });
    let handle = executor.spawn(async move {
        let _held = on_drop;
        pending::<()>().await;
    });
    executor.run(1);
    handle.abort();
    settle(&executor);
    assert_eq!(polls.get(), 1);
    assert!(victim.is_finished() && handle.is_finished());
}

#[test]
fn running_an_executor_inside_its_own_task_panics_and_leaves_it_whole() {
    let executor = Rc::new(executor());
    let inner = Rc::clone(&executor);
    let handle = executor.spawn(async move { inner.run(1) });
    settle(&executor);
    let error = result(handle).unwrap_err();
    assert!(error.to_string().contains("inside one of its own tasks"), "{error}");
    let after = executor.spawn(ready(2));
    settle(&executor);
    assert_eq!(result(after).unwrap(), 2);
}

#[test]
fn polling_a_root_inside_a_task_panics_and_the_task_is_dropped_once() {
    let executor = Rc::new(executor());
    let inner = Rc::clone(&executor);
    let drops = Rc::new(Cell::new(0));
    let counted = Rc::clone(&drops);
    let held = OnDrop(move || counted.set(counted.get() + 1));
    let handle = executor.spawn(async move {
        let _held = held;
        let mut root = std::pin::pin!(async {});
        let _ = inner.poll_root(root.as_mut());
        // Without the panic, this would not know that the task is being polled.
        inner.shutdown();
    });
    settle(&executor);
    let error = result(handle).unwrap_err();
    assert!(error.to_string().contains("inside a task of its executor"), "{error}");
    assert_eq!(drops.get(), 1);
    let after = executor.spawn(ready(2));
    settle(&executor);
    assert_eq!(result(after).unwrap(), 2);
}

#[test]
fn a_task_may_run_another_executor_of_the_same_thread() {
    let (one, two) = (Rc::new(executor()), executor());
    let _entered = one.enter();
    let handle = one.spawn(async move {
        let handle = two.spawn(async {
            yield_now().await;
            5
        });
        let entered = two.enter();
        settle(&two);
        drop(entered);
        result(handle).unwrap()
    });
    settle(&one);
    assert_eq!(result(handle).unwrap(), 5);
}

#[test]
fn a_task_that_shuts_its_executor_down_is_spared_until_its_poll_returns() {
    let executor = Rc::new(executor());
    let (waiting, waiting_counts) = Probe::new(0);
    let (probe, counts) = Probe::new(0);
    let others = executor.spawn(waiting);
    settle(&executor);
    let inner = Rc::clone(&executor);
    let seen = counts.clone();
    let handle = executor.spawn(async move {
        inner.shutdown();
        assert_eq!((inner.live_tasks(), seen.drops.get()), (1, 0));
        drop(inner);
        probe.await
    });
    executor.run(10);
    assert_eq!((counts.get(), waiting_counts.drops.get()), ((1, 1), 1));
    assert!(result(handle).unwrap_err().is_aborted());
    assert!(result(others).unwrap_err().is_aborted());
    assert!(!executor.has_ready());
}

#[test]
fn shutdowns_nest_through_a_poll_and_a_destructor_without_touching_what_is_in_use() {
    let executor = Rc::new(executor());
    let (inner, innermost) = (Rc::clone(&executor), Rc::clone(&executor));
    let on_drop = OnDrop(move || innermost.shutdown());
    let nested = executor.spawn(async move {
        let _held = on_drop;
        pending::<()>().await;
    });
    let (probe, counts) = Probe::new(0);
    settle(&executor);
    let outer = executor.spawn(async move {
        inner.shutdown();
        drop(inner);
        probe.await
    });
    executor.run(1);
    assert_eq!((counts.get(), executor.live_tasks()), ((1, 1), 0));
    assert!(result(nested).unwrap_err().is_aborted());
    assert!(result(outer).unwrap_err().is_aborted());
}

#[test]
fn what_is_spawned_during_and_after_a_shutdown_is_dropped_without_recursion() {
    struct Respawn(Rc<Executor>, Rc<Cell<u32>>);
    impl Drop for Respawn {
        fn drop(&mut self) {
            let left = self.1.get();
            if left > 0 {
                self.1.set(left - 1);
                let next = Respawn(Rc::clone(&self.0), Rc::clone(&self.1));
                let handle = self.0.spawn(async move {
                    let _held = next;
                    pending::<()>().await;
                });
                handle.detach();
            }
        }
    }
    on_a_small_stack(|| {
        let executor = Rc::new(executor());
        let left = Rc::new(Cell::new(100_000));
        let first = Respawn(Rc::clone(&executor), Rc::clone(&left));
        executor.spawn(async move {
            let _held = first;
            pending::<()>().await;
        });
        settle(&executor);
        executor.shutdown();
        assert_eq!((left.get(), executor.live_tasks()), (0, 0));
        let (probe, counts) = Probe::new(1);
        let late = executor.spawn(probe);
        assert_eq!(counts.get(), (0, 1));
        assert!(result(late).unwrap_err().is_aborted());
        assert_eq!(Rc::strong_count(&executor), 1);
    });
}

#[test]
fn an_executor_with_live_tasks_is_dropped_inside_the_destructor_of_another_ones_task() {
    let (outer, inner) = (executor(), executor());
    let _entered = outer.enter();
    let (probe, counts) = Probe::new(0);
    let handle = inner.spawn(probe);
    {
        let _entered = inner.enter();
        settle(&inner);
    }
    let holder = outer.spawn(async move {
        let _held = inner;
        pending::<()>().await;
    });
    settle(&outer);
    holder.abort();
    settle(&outer);
    assert_eq!(counts.get(), (1, 1));
    assert!(result(handle).unwrap_err().is_aborted());
}

#[test]
fn an_executor_is_dropped_by_the_destructor_of_a_child_that_its_scope_ends() {
    let owner: Rc<RefCell<Option<Executor>>> = Rc::default();
    let successor = Rc::new(RefCell::new(None::<(Executor, JoinHandle<u32>)>));
    let (owned, made) = (Rc::clone(&owner), Rc::clone(&successor));
    let on_drop = OnDrop(move || {
        drop(owned.take());
        // If the slot were free by now, this task would have the child's header.
        let next = executor();
        let handle = next.spawn(ready(7));
        drop(made.replace(Some((next, handle))));
    });
    let executor = executor();
    let mut running = Box::pin(scope(|s| async move {
        s.spawn(async move {
            let _held = on_drop;
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    {
        let _entered = executor.enter();
        assert!(poll_once(&mut running).is_pending());
        settle(&executor);
    }
    drop(owner.replace(Some(executor)));
    drop(running);
    assert!(owner.borrow().is_none());
    let (next, handle) = successor.take().expect("the destructor ran to its end");
    assert_eq!(next.live_tasks(), 1);
    settle(&next);
    assert_eq!(result(handle).unwrap(), 7);
}

thread_local! {
    static STAGE: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
    static HANDLE: RefCell<Option<JoinHandle<u32>>> = const { RefCell::new(None) };
}

/// A waker that runs the executor when cloned: the task may end while its handle is polled.
struct Meddling(AtomicBool);

impl Wake for Meddling {
    fn wake(self: Arc<Self>) {
        // Drops the handle of the task that is just waking it.
        drop(HANDLE.take());
        self.0.store(true, Ordering::Relaxed);
    }
}

mod meddling_clone {
    //! A waker whose clone is user code that runs the executor.

    use std::ptr;
    use std::task::{RawWaker, RawWakerVTable, Waker};

    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());

    fn clone(_: *const ()) -> RawWaker {
        let executor = super::STAGE.with_borrow(Clone::clone);
        if let Some(executor) = executor {
            executor.run(10);
        }
        RawWaker::new(ptr::null(), &VTABLE)
    }

    pub fn waker() -> Waker {
        // SAFETY: the functions ignore the data word; clone stays on this thread in these tests.
        unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &VTABLE)) }
    }
}

#[test]
fn a_task_that_ends_while_the_waker_of_its_join_is_cloned_is_joined_at_once() {
    let executor = Rc::new(executor());
    let mut handle = executor.spawn(ready(6));
    STAGE.set(Some(Rc::clone(&executor)));
    let waker = meddling_clone::waker();
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    STAGE.set(None);
    assert!(matches!(polled, Poll::Ready(Ok(6))));
}

#[test]
fn a_waker_may_drop_the_handle_whose_end_wakes_it() {
    let executor = executor();
    let mut handle = executor.spawn(ready(6));
    let meddling = Arc::new(Meddling(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&meddling));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
    HANDLE.set(Some(handle));
    settle(&executor);
    assert!(meddling.0.load(Ordering::Relaxed));
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn jobs_may_spawn_post_and_drain() {
    let executor = Rc::new(executor());
    STAGE.set(Some(Rc::clone(&executor)));
    let core = executor.id();
    let (done, waker) = Counting::new();
    post(core, move || {
        let executor = STAGE.with_borrow(|stage| Rc::clone(stage.as_ref().unwrap()));
        let second = waker.clone();
        post(core, move || second.wake()).unwrap();
        assert!(executor.drain_inbox());
        executor.spawn(async move { waker.wake() }).detach();
    })
    .unwrap();
    settle(&executor);
    STAGE.set(None);
    assert_eq!(done.wakes(), 2);
}

#[test]
fn a_task_woken_by_its_own_destructor_is_not_polled_again() {
    let executor = executor();
    let _entered = executor.enter();
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let on_drop = OnDrop(|| wake_current(annulus_task::current_task().unwrap()));
    executor.spawn(poll_fn(move |_cx| {
        let _held = &on_drop;
        counted.set(counted.get() + 1);
        Poll::Ready(())
    }));
    settle(&executor);
    assert_eq!((polls.get(), executor.live_tasks(), executor.has_ready()), (1, 0, false));
}
