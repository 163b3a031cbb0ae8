//! A waker is used on another thread, late, often, or after its core has ended.
//!
//! *Evidence*: monoio#120, #121; compio#109 panicked.
//!
//! *Answer*: a waker is a name (core, task, generation) and never a pointer. Elsewhere than on its
//! core it queues the task in the core's inbox, once, and rings the bell only of a core that
//! sleeps; a stale one finds another generation. Futures are dropped by their owner.
//!
//! *Also proven*: the loom models of `annulus-task` (wake and sleep and exit, the inbox, epochs of
//! the registry); `foreign`, `wakers`.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};

use annulus::runtime::Runtime;

use crate::cancel::until;
use crate::harness::{run, share_process};

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
    run(async {
        let stale: Vec<Waker> = {
            let mut stale = Vec::new();
            for _ in 0..100 {
                let task = annulus::spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
                stale.push(task.await.expect("no panic"));
            }
            stale
        };
        // Others take their places.
        let go = Rc::new(Cell::new(false));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (go, mut polls) = (go.clone(), 0_u32);
                annulus::spawn(poll_fn(move |_| {
                    polls += 1;
                    if go.get() { Poll::Ready(polls) } else { Poll::Pending }
                }))
            })
            .collect();
        crate::cancel::yield_to_kernel().await?;
        let woken = Arc::new(AtomicBool::new(false));
        let told = woken.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..10 {
                stale.iter().for_each(Waker::wake_by_ref);
            }
            told.store(true, Ordering::SeqCst);
        });
        until("all were woken", || woken.load(Ordering::SeqCst)).await?;
        thread.join().unwrap();
        crate::cancel::yield_to_kernel().await?;
        go.set(true);
        for task in tasks {
            task.abort();
            assert!(task.await.is_err(), "a stale waker woke a stranger, who then was ready");
        }
        Ok(())
    });
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
        let runtime = Runtime::new().unwrap();
        for _ in 0..4 {
            let shared = shared.clone();
            drop(runtime.spawn(poll_fn(move |cx| {
                shared.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })));
        }
        runtime.block_on(async {
            crate::cancel::yield_to_kernel().await.unwrap();
        });
        start.wait();
        let last = runtime.shutdown();
        assert_eq!((last.tasks, last.stale_cqes), (0, 0));
        // The next core may get the same place in the registry.
        let next = Runtime::new().unwrap();
        assert_eq!(next.block_on(async { annulus::spawn(async { 3 }).await.unwrap() }), 3);
        stop.store(true, Ordering::SeqCst);
        thread.join().unwrap();
        assert_eq!(next.shutdown().tasks, 0);
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
