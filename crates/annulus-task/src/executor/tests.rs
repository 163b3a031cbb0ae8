//! What needs a look inside; behaviour is tested in `tests/it`.

use std::future::{pending, ready};
use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;
use crate::fork::tests::in_child;
use crate::id::GENERATION_MASK;
use crate::waker::wake_current;

#[test]
fn a_header_is_used_again_under_another_name() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let first = executor.spawn(ready(())).id();
    assert_eq!(executor.run(10), 1);
    let second = executor.spawn(ready(())).id();
    assert_eq!(first.index(), second.index());
    assert_ne!(first, second);
    executor.wake(first);
    assert_eq!(executor.run(10), 1, "a stale name wakes nobody");
}

#[test]
fn a_header_that_has_no_more_names_is_not_used_again_by_this_core_or_the_next_one() {
    // Alone, so that the next core gets the slot of this one.
    in_child(|| {
        let executor = Executor::new(OnPanic::Contain).unwrap();
        let first = executor.spawn(ready(())).id();
        assert_eq!(executor.run(10), 1);
        executor.local().own(first.index()).remote().set_generation(GENERATION_MASK - 1);
        let last = executor.spawn(ready(()));
        assert_eq!(
            (last.id().index(), last.id().generation()),
            (first.index(), GENERATION_MASK - 1)
        );
        assert_eq!(executor.run(10), 1);
        let beside = executor.spawn(pending::<()>());
        assert_ne!(beside.id().index(), first.index());
        // One that ends while it stands in the queue, and one that is dropped there.
        for ends in [true, false] {
            executor.run(10);
            let place = executor.spawn(ready(())).id().index();
            executor.run(10);
            executor.local().own(place).remote().set_generation(GENERATION_MASK - 1);
            let queued = executor.spawn(async move {
                wake_current(current::current_task().unwrap());
                if !ends {
                    pending::<()>().await;
                }
            });
            assert_eq!(queued.id().index(), place);
            let own = executor.local().own(place);
            assert_eq!(executor.run(1), 1);
            if !ends {
                executor.local().end_tasks([queued.id()].into_iter());
            }
            assert!(queued.is_finished() && executor.has_ready());
            executor.run(10);
            assert!(own.is_spent());
            assert_ne!(executor.spawn(pending::<()>()).id().index(), place);
        }
        let slot = executor.id().slot();
        drop(executor);
        let next = Executor::new(OnPanic::Contain).unwrap();
        assert_eq!(next.id().slot(), slot);
        assert_ne!(next.spawn(ready(())).id().index(), first.index());
        assert_eq!(next.run(10), 1);
    });
}

#[test]
fn wakers_that_panic_when_they_are_dropped_do_not_keep_a_core_from_ending() {
    struct Bomb(Arc<AtomicU32>);
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("as the test wants it");
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let executor = Executor::new(OnPanic::Contain).unwrap();
    for _ in 0..3 {
        let waker = Waker::from(Arc::new(Bomb(dropped.clone())));
        assert!(executor.local().defer(waker).is_none());
    }
    drop(executor);
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

#[test]
fn a_child_ends_a_core_that_a_thread_of_its_parent_was_ringing() {
    static RUNG: Barrier = Barrier::new(2);
    static FORKED: Barrier = Barrier::new(2);
    // Alone, so that nobody else claims slots.
    in_child(|| {
        let executor = Executor::new(OnPanic::Contain).unwrap();
        let ring = |_| {
            RUNG.wait();
            FORKED.wait();
        };
        executor.set_bell(Bell { ring, word: 0 });
        let core = executor.id();
        executor.sleep(|may_block| {
            assert!(may_block);
            let ringer = std::thread::spawn(move || crate::post(core, || ()));
            RUNG.wait();
            let told = std::panic::catch_unwind(AssertUnwindSafe(|| {
                in_child(|| {
                    executor.set_bell(Bell { ring: |_| (), word: 0 });
                    // SAFETY: the executor is this process's own copy, and is not used again.
                    drop(unsafe { std::ptr::read(&executor) });
                    let others: Vec<_> =
                        std::iter::from_fn(|| Executor::new(OnPanic::Contain).ok()).collect();
                    assert!(others.iter().all(|other| other.id().slot() != core.slot()));
                    drop(others);
                });
            }));
            FORKED.wait();
            ringer.join().unwrap().unwrap();
            told.expect("the child waits for a thread that it does not have");
        });
    });
}

#[test]
fn a_forgotten_guard_never_leaves_a_dangling_current_core() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let stale = executor.spawn(pending::<()>()).id();
    mem::forget(executor.enter());
    drop(executor);
    assert_eq!(current::current(), None);
    wake_current(stale);
    let other = Executor::new(OnPanic::Contain).unwrap();
    drop(other.enter());
    wake_current(stale);
    assert_eq!(current::current_task(), None);
    drop(current::swap(None));
}

#[test]
fn guards_dropped_in_the_wrong_order_never_leave_a_dangling_current_core() {
    let first = Executor::new(OnPanic::Contain).unwrap();
    let second = Executor::new(OnPanic::Contain).unwrap();
    let one = first.enter();
    let two = second.enter();
    drop(one);
    drop(first);
    drop(two);
    assert_eq!(current::current(), None);
    drop(current::swap(None));
}

#[test]
fn a_task_that_wakes_itself_and_ends_gives_its_header_back_when_it_leaves_the_queue() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let _entered = executor.enter();
    let handle = executor.spawn(async {
        wake_current(current::current_task().unwrap());
    });
    let index = handle.id().index();
    assert_eq!(executor.run(1), 1);
    assert!(handle.is_finished() && executor.has_ready());
    assert_ne!(executor.spawn(pending::<()>()).id().index(), index);
    assert_eq!(executor.run(10), 1);
    assert_eq!(executor.spawn(pending::<()>()).id().index(), index);
}
