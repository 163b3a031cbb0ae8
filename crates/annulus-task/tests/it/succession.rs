//! Posts and wakes that race with executors which come and go.
//!
//! In a process of its own: the slots of cores are the process's, a job that is accepted under the
//! last breath of a core waits there for the next one, and so the counts below hold only where
//! nobody else has cores.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use annulus_task::{CoreId, Executor, post};

use crate::support::{alone, executor};

/// Executors, one after another in the same slot.
const EXECUTORS: usize = 2_000;
const SENDERS: usize = 2;
/// Jobs on their way at most. Without a bound the senders may outrun the cores for ever.
const IN_FLIGHT: usize = 256;

/// What the threads share.
#[derive(Default)]
struct Race {
    target: Mutex<Option<(CoreId, Waker)>>,
    /// Jobs that were made, and that were dropped: run, refused, or with their core.
    made: AtomicUsize,
    ended: AtomicUsize,
    stop: AtomicBool,
}

/// A job's captured state, which counts its end wherever that is.
struct Job(Arc<Race>);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Wakes and posts to whatever core is the target, until told to stop.
fn send(race: &Arc<Race>) {
    while !race.stop.load(Ordering::Relaxed) {
        let ended = race.ended.load(Ordering::Relaxed);
        let target = race.target.lock().unwrap().clone();
        let Some((core, waker)) = target else {
            thread::yield_now();
            continue;
        };
        waker.wake();
        if race.made.load(Ordering::Relaxed).saturating_sub(ended) >= IN_FLIGHT {
            thread::yield_now();
            continue;
        }
        race.made.fetch_add(1, Ordering::Relaxed);
        let job = Job(Arc::clone(race));
        let _ = post(core, move || drop(job));
    }
}

fn turn(executor: &Executor) {
    executor.drain_inbox();
    executor.run(u32::MAX);
}

#[test]
fn every_job_ends_once_whichever_core_it_meets() {
    alone("succession::every_job_ends_once_whichever_core_it_meets", race);
}

fn race() {
    let race = Arc::new(Race::default());
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let race = Arc::clone(&race);
            thread::spawn(move || send(&race))
        })
        .collect();
    let mut names = std::collections::HashSet::new();
    // More of them where no sender has had a turn by then.
    let more = (EXECUTORS..).take_while(|_| race.made.load(Ordering::Relaxed) == 0);
    for number in (0..EXECUTORS).chain(more) {
        let executor = executor();
        assert!(names.insert(executor.id()));
        let published = Arc::clone(&race);
        let core = executor.id();
        let task = executor.spawn(poll_fn(move |cx| {
            *published.target.lock().unwrap() = Some((core, cx.waker().clone()));
            Poll::<()>::Pending
        }));
        turn(&executor);
        if number % 8 == 0 {
            thread::yield_now(); // on one processor the senders would else meet no core alive
        }
        turn(&executor);
        drop(task);
    }
    race.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().unwrap();
    }
    // What was accepted under the very last breath waits in the slot for its next core.
    turn(&executor());
    let (made, ended) = (race.made.load(Ordering::Relaxed), race.ended.load(Ordering::Relaxed));
    println!("{made} jobs");
    assert!(made > 0);
    assert_eq!(made, ended);
}
