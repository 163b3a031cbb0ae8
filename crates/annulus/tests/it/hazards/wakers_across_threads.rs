//! A waker is used on another thread, late, often, or after its core has ended.
//!
//! *Evidence*: monoio#120, #121; compio#109 panicked.
//!
//! *Answer*: a waker is a name (core, task, generation) and never a pointer. Elsewhere than on its
//! core it queues the task in the core's inbox, once, and rings the bell only of a core that
//! sleeps; a stale one finds another generation. Futures are dropped by their owner.
//!
//! *Also proven*: the loom models of `annulus-task` (wake and sleep and exit, the inbox, epochs of
//! the registry) and of `core::bell` (the futex under it); `foreign`, `wakers`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};

use annulus::runtime::Runtime;
use annulus::task::JoinHandle;

use crate::cancel::{until, yield_to_kernel};
use crate::harness::{made, run, share_process};

#[test]
fn wakes_of_many_threads_at_once_are_none_too_few() {
    run(async {
        const THREADS: u32 = 4;
        const WAKES: u32 = 2000;
        let wakers = Arc::new(Mutex::new(None::<Waker>));
        let sent = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (wakers, sent) = (wakers.clone(), sent.clone());
                std::thread::spawn(move || {
                    for _ in 0..WAKES {
                        sent.fetch_add(1, Ordering::SeqCst);
                        let waker = wakers.lock().unwrap().clone();
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    }
                })
            })
            .collect();
        let polls = Rc::new(Cell::new(0_u32));
        let counted = polls.clone();
        let task = annulus::spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            // First the waker, then the look: a wake after the look is not lost.
            *wakers.lock().unwrap() = Some(cx.waker().clone());
            if sent.load(Ordering::SeqCst) == THREADS * WAKES {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        task.await.expect("no panic");
        assert!(polls.get() <= THREADS * WAKES + 1);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        Ok(())
    });
}

#[test]
fn wakers_of_tasks_that_are_gone_wake_nobody_else() {
    const TASKS: u32 = 100;
    run(async {
        // All of them live at once, so that each has a place of its own.
        let gone: Vec<_> = (0..TASKS)
            .map(|_| annulus::spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone()))))
            .collect();
        let places_before = places(&gone);
        let mut stale = Vec::new();
        for task in gone {
            stale.push(task.await.expect("no panic"));
        }

        let (go, polls) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let wakers = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (go, polls, wakers) = (go.clone(), polls.clone(), wakers.clone());
                annulus::spawn(poll_fn(move |cx| {
                    polls.set(polls.get() + 1);
                    wakers.borrow_mut().push(cx.waker().clone());
                    if go.get() { Poll::Ready(()) } else { Poll::Pending }
                }))
            })
            .collect();
        assert_eq!(places(&tasks), places_before, "others have taken their places");
        some_turns().await?;
        assert_eq!(polls.get(), TASKS, "each has been polled, and waits");

        stale.iter().for_each(Waker::wake_by_ref);
        some_turns().await?;
        assert_eq!(polls.get(), TASKS, "on the core, a stale waker woke a stranger");
        wake_elsewhere(stale).await?;
        assert_eq!(polls.get(), TASKS, "from elsewhere, a stale waker woke a stranger");

        // By the same way, wakers that are not stale do wake.
        go.set(true);
        wake_elsewhere(wakers.take()).await?;
        assert_eq!(polls.get(), 2 * TASKS);
        for task in tasks {
            task.await.expect("no panic");
        }
        Ok(())
    });
}

/// Where these tasks are among those of their core.
fn places<T>(tasks: &[JoinHandle<T>]) -> BTreeSet<u32> {
    tasks.iter().map(|task| task.id().index()).collect()
}

/// Enough for what was sent to the core to be received, and for what that wakes to be polled.
async fn some_turns() -> io::Result<()> {
    for _ in 0..5 {
        yield_to_kernel().await?;
    }
    Ok(())
}

/// Uses each of these wakers ten times on another thread, and lets the core receive what that sent.
async fn wake_elsewhere(wakers: Vec<Waker>) -> io::Result<()> {
    let thread = std::thread::spawn(move || {
        for _ in 0..10 {
            wakers.iter().for_each(Waker::wake_by_ref);
        }
    });
    // Meanwhile the core takes turns.
    until("all were used", || thread.is_finished()).await?;
    thread.join().expect("a waker does not panic");
    some_turns().await
}

#[test]
fn wakers_may_be_used_while_and_after_their_core_ends() {
    let _shared = share_process();
    for _ in 0..50 {
        let shared = Arc::new(Mutex::new(Vec::<Waker>::new()));
        let (stop, start) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
        let thread = {
            let (shared, stop, start) = (shared.clone(), stop.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                while !stop.load(Ordering::SeqCst) {
                    let wakers = shared.lock().unwrap().clone();
                    wakers.iter().for_each(Waker::wake_by_ref);
                }
            })
        };
        let runtime = made(Runtime::builder());
        for _ in 0..4 {
            let shared = shared.clone();
            drop(runtime.spawn(poll_fn(move |cx| {
                shared.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })));
        }
        runtime.block_on(async {
            yield_to_kernel().await.unwrap();
        });
        start.wait();
        runtime.shutdown();
        // The next core may get the same place in the registry.
        let next = made(Runtime::builder());
        assert_eq!(next.block_on(async { annulus::spawn(async { 3 }).await.unwrap() }), 3);
        stop.store(true, Ordering::SeqCst);
        thread.join().unwrap();
        next.shutdown();
    }
}

#[test]
fn a_wake_between_the_look_and_the_sleep_is_not_slept_over() {
    run(async {
        for round in 0..300_u32 {
            let flag = Arc::new(AtomicBool::new(false));
            let (theirs, at) = (flag.clone(), Arc::new(Mutex::new(None::<Waker>)));
            let place = at.clone();
            let thread = std::thread::spawn(move || {
                loop {
                    if let Some(waker) = place.lock().unwrap().take() {
                        // Of different lengths, to meet the core at each step of its way to sleep.
                        for _ in 0..round * 10 {
                            std::hint::spin_loop();
                        }
                        theirs.store(true, Ordering::SeqCst);
                        waker.wake();
                        return;
                    }
                    std::thread::yield_now();
                }
            });
            poll_fn(|cx| {
                if flag.load(Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                *at.lock().unwrap() = Some(cx.waker().clone());
                if flag.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            thread.join().unwrap();
        }
        Ok(())
    });
}
