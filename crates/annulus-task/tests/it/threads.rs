//! Wakes and posts from other threads, to a core that really sleeps.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use annulus_task::{Closed, CoreId, post};

use crate::support::*;

const THREADS: usize = 4;
const WAKES: u32 = 100_000;

/// The waker of a task, where other threads find it.
fn published_waker(place: &Mutex<Option<Waker>>) -> Waker {
    loop {
        if let Some(waker) = place.lock().unwrap().clone() {
            return waker;
        }
        thread::yield_now();
    }
}

#[test]
fn no_wake_is_lost_in_a_storm_from_four_threads() {
    let counters: Arc<[AtomicU32; THREADS]> = Arc::default();
    let place = Arc::new(Mutex::new(None));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (counters, place) = (Arc::clone(&counters), Arc::clone(&place));
            thread::spawn(move || {
                let waker = published_waker(&place);
                for count in 1..=WAKES {
                    counters[number].store(count, Ordering::Relaxed);
                    waker.wake_by_ref();
                }
            })
        })
        .collect();
    let executor = executor();
    block_on(&executor, async {
        // Waits for the last number of every thread; a lost last wake would leave it waiting.
        let storm = executor.spawn(poll_fn(move |cx| {
            place.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            let all = counters.iter().all(|counter| counter.load(Ordering::Relaxed) == WAKES);
            if all { Poll::Ready(()) } else { Poll::Pending }
        }));
        storm.await.unwrap();
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn every_wake_of_a_sleeping_core_is_answered() {
    const ROUNDS: u32 = 10_000;
    let executor = executor();
    let mut tasks = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..THREADS {
        let asked = Arc::new(AtomicU32::new(0));
        let place = Arc::new(Mutex::new(None));
        let (answer, answers) = mpsc::channel();
        let (question, waker_place) = (Arc::clone(&asked), Arc::clone(&place));
        threads.push(thread::spawn(move || {
            let waker = published_waker(&waker_place);
            for round in 1..=ROUNDS {
                question.store(round, Ordering::Relaxed);
                waker.wake_by_ref();
                assert_eq!(answers.recv(), Ok(round));
            }
        }));
        let mut answered = 0;
        tasks.push(executor.spawn(poll_fn(move |cx| {
            place.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            let round = asked.load(Ordering::Relaxed);
            if round != answered {
                answered = round;
                let _ = answer.send(round);
            }
            if answered == ROUNDS { Poll::Ready(()) } else { Poll::Pending }
        })));
    }
    block_on(&executor, async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn jobs_posted_from_four_threads_all_run_on_the_core_in_the_order_of_each_thread() {
    const JOBS: usize = 5_000;
    let executor = executor();
    let core = executor.id();
    let owner = thread::current().id();
    let ran: Arc<[AtomicUsize; THREADS]> = Arc::default();
    let root = executor.root_waker();
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (ran, root) = (Arc::clone(&ran), root.clone());
            thread::spawn(move || {
                for job in 0..JOBS {
                    let (ran, root) = (Arc::clone(&ran), root.clone());
                    let run = move || {
                        assert_eq!(thread::current().id(), owner);
                        assert_eq!(ran[number].swap(job + 1, Ordering::Relaxed), job);
                        root.wake();
                    };
                    post(core, run).unwrap();
                }
            })
        })
        .collect();
    let all = poll_fn(|_cx| {
        let all = ran.iter().all(|ran| ran.load(Ordering::Relaxed) == JOBS);
        if all { Poll::Ready(()) } else { Poll::Pending }
    });
    block_on(&executor, all);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_post_after_the_shutdown_is_refused_and_drops_its_job_on_the_caller() {
    let executor = executor();
    let core = executor.id();
    let held = Arc::new(());
    let waiting = Arc::clone(&held);
    post(core, move || drop(waiting)).unwrap();
    assert_eq!(Arc::strong_count(&held), 2);
    executor.shutdown();
    assert_eq!(Arc::strong_count(&held), 1);
    let late = Arc::clone(&held);
    assert_eq!(post(core, move || drop(late)), Err(Closed));
    assert_eq!(Arc::strong_count(&held), 1);
    drop(executor);
    assert_eq!(post(core, || ()), Err(Closed));
    assert_eq!(CoreId::from_bits(core.to_bits()), Some(core));
}

#[test]
fn wakes_from_elsewhere_of_running_finished_and_aborted_tasks_are_harmless() {
    let executor = executor();
    let _entered = executor.enter();
    // Running: it waits inside its poll until the other thread has woken it.
    let mut polls = 0;
    let running = executor.spawn(poll_fn(move |cx| {
        polls += 1;
        let waker = cx.waker().clone();
        if polls == 1 {
            thread::spawn(move || waker.wake()).join().unwrap();
            return Poll::Pending;
        }
        Poll::Ready(polls)
    }));
    let finished = executor.spawn(async {});
    let aborted = executor.spawn(std::future::pending::<()>());
    let ids = [running.id(), finished.id(), aborted.id()];
    executor.run(3);
    assert!(finished.is_finished() && !running.is_finished());
    aborted.abort();
    let wake_all =
        move || thread::spawn(move || ids.into_iter().for_each(annulus_task::wake_current));
    wake_all().join().unwrap();
    settle(&executor);
    assert_eq!(result(running).unwrap(), 2);
    assert!(result(aborted).unwrap_err().is_aborted());
    wake_all().join().unwrap();
    assert_eq!(settle(&executor), 0, "names of tasks that have ended wake nothing");
}
