//! A wake polls, a drop drops, a completion completes, until the stack is full.
//!
//! *Evidence*: rfcs#686; chains of tasks that own each other.
//!
//! *Answer*: a wake only queues; a task that is dropped while another one is dropped waits in a
//! list; a turn polls within a budget.
//!
//! *Also proven*: `annulus-task` (`drops`, `scale`).

use std::cell::Cell;
use std::rc::Rc;

use annulus::runtime::{Runtime, metrics};
use annulus::sync::{Mutex, cross, oneshot};
use annulus::task::{JoinHandle, JoinSet};

use crate::cancel::yield_to_kernel;
use crate::harness::{check, share_process};

/// Links of a chain.
const LINKS: u32 = 100_000;

/// Runs on a stack on which no chain fits.
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let _shared = share_process();
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(body);
    thread.expect("there is a thread").join().expect("the body does not panic");
}

/// A chain of tasks, each of which owns the handle of the one before.
fn chain() -> JoinHandle<u32> {
    let mut last = annulus::spawn(async {
        let _ = yield_to_kernel().await;
        0
    });
    for _ in 0..LINKS {
        let before = last;
        last = annulus::spawn(async move { before.await.map_or(0, |n| n + 1) });
    }
    last
}

#[test]
fn a_chain_of_joins_completes() {
    on_a_small_stack(|| {
        check(Runtime::builder(), async {
            assert_eq!(chain().await.expect("no panic"), LINKS);
            Ok(())
        });
    });
}

#[test]
fn a_chain_of_tasks_that_own_each_other_is_dropped() {
    /// Aborts what it owns when it goes away, as a scope does.
    struct Owner(Option<JoinHandle<()>>, Rc<Cell<u32>>);
    impl Drop for Owner {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if let Some(owned) = self.0.take() {
                owned.abort();
            }
        }
    }
    on_a_small_stack(|| {
        check(Runtime::builder(), async {
            let dropped = Rc::new(Cell::new(0));
            let mut last = None;
            for _ in 0..LINKS {
                let owner = Owner(last.take(), dropped.clone());
                last = Some(annulus::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(owner);
                }));
            }
            yield_to_kernel().await?;
            last.take().expect("it was made").abort();
            crate::cancel::until("all are gone", || dropped.get() == LINKS).await
        });
    });
}

#[test]
fn a_runtime_ends_with_a_chain_of_waiting_tasks() {
    on_a_small_stack(|| {
        let runtime = Runtime::new().unwrap();
        let never = runtime.spawn(std::future::pending::<u32>());
        let last = runtime.block_on(async {
            let mut last = Some(never);
            for _ in 0..LINKS {
                let before = last.take().expect("it was put there");
                last = Some(annulus::spawn(async move { before.await.unwrap_or(0) }));
            }
            yield_to_kernel().await.unwrap();
            last
        });
        drop(last);
        let last = runtime.shutdown();
        assert_eq!((last.tasks, last.ops_in_flight), (0, 0));
    });
}

#[test]
fn a_chain_of_sets_that_own_each_other_is_dropped() {
    on_a_small_stack(|| {
        check(Runtime::builder(), async {
            let mut last = JoinSet::new();
            for _ in 0..LINKS {
                let mut owner = JoinSet::new();
                owner.spawn(async move {
                    std::future::pending::<()>().await;
                    drop(last);
                });
                last = owner;
            }
            yield_to_kernel().await?;
            drop(last);
            let none = || metrics().expect("a runtime runs").tasks == 0;
            crate::cancel::until("all are gone", none).await
        });
    });
}

#[test]
fn a_lock_goes_from_hand_to_hand() {
    on_a_small_stack(|| {
        check(Runtime::builder(), async {
            let lock = Rc::new(Mutex::new(0));
            let held = lock.lock().await;
            let waiting: Vec<_> = (0..LINKS)
                .map(|_| {
                    let lock = lock.clone();
                    // The next one is woken by the destructor of this one's guard.
                    annulus::spawn(async move { *lock.lock().await += 1 })
                })
                .collect();
            yield_to_kernel().await?;
            drop(held);
            for task in waiting {
                task.await.expect("no panic");
            }
            assert_eq!(*lock.lock().await, LINKS);
            Ok(())
        });
    });
}

#[test]
fn a_channel_hands_on_from_task_to_task() {
    on_a_small_stack(|| {
        check(Runtime::builder(), async {
            let (first, mut next) = cross::channel::<u32>(1);
            for _ in 0..LINKS / 10 {
                let (sender, receiver) = cross::channel(1);
                let mut before = std::mem::replace(&mut next, receiver);
                annulus::spawn(async move {
                    while let Some(n) = before.recv().await {
                        let _ = sender.send(n + 1).await;
                    }
                })
                .detach();
            }
            yield_to_kernel().await?;
            first.send(0).await.expect("all are there");
            assert_eq!(next.recv().await, Some(LINKS / 10));
            // The end goes through all of them, too.
            drop(first);
            assert_eq!(next.recv().await, None);
            Ok(())
        });
    });
}

#[test]
fn a_wake_that_wakes_the_next_goes_round_the_loop() {
    on_a_small_stack(|| {
        check(Runtime::builder(), async {
            let (first, mut next) = oneshot::channel::<u32>();
            for _ in 0..LINKS {
                let (sender, receiver) = oneshot::channel();
                let before = std::mem::replace(&mut next, receiver);
                annulus::spawn(async move {
                    let n = before.await.unwrap_or(0);
                    let _ = sender.send(n + 1);
                })
                .detach();
            }
            yield_to_kernel().await?;
            assert!(first.send(0).is_ok());
            assert_eq!(next.await.ok(), Some(LINKS));
            Ok(())
        });
    });
}
