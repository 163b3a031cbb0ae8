//! Joins across cores and threads, with aborts, drops and ends in between.

use annulus_task::{JoinError, RemoteJoinHandle, spawn, spawn_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use crate::support::*;

async fn work(guard: Guard, yields: u32) -> u32 {
    let _guard = guard;
    for _ in 0..yields {
        yield_now().await;
    }
    yields
}

/// Joins, aborts or drops, at random.
fn settle(task: RemoteJoinHandle<u32>) {
    match thread_rng().gen_range(0..4) {
        0 => drop(task),
        1 => {
            task.abort();
            assert!(matches!(task.join_blocking(), Ok(_) | Err(JoinError::Aborted)));
        }
        2 => {
            task.abort();
            drop(task);
        }
        _ => assert!(matches!(task.join_blocking(), Ok(_) | Err(JoinError::Aborted))),
    }
}

/// Catches: a join that nobody wakes, and a future that is dropped twice or never, when threads
/// join, abort and drop what runs on two cores that end when they like.
#[test]
fn threads_join_abort_and_drop_tasks_of_two_cores_that_end() {
    explore(|| {
        let drops = Count::default();
        let made: Vec<_> = (0..4).map(|_| Mailbox::new()).collect();
        let cores: Vec<_> = made
            .chunks(2)
            .map(|joiners| {
                let (joiners, drops) = (joiners.to_vec(), drops.clone());
                thread::spawn(move || {
                    let core = Core::new();
                    for yields in 0..4 {
                        let task = core.executor.spawn(work(drops.guard(), yields)).remote();
                        joiners[yields as usize / 2].put(task);
                    }
                    for _ in 0..thread_rng().gen_range(0..8) {
                        core.turn();
                        core.executor.sleep(|_may_block| ());
                    }
                })
            })
            .collect();
        let joiners: Vec<_> = made
            .into_iter()
            .map(|tasks| {
                thread::spawn(move || {
                    let waiting = Core::new();
                    let first = waiting.block_on(tasks.next());
                    let second = waiting.block_on(tasks.next());
                    drop(waiting);
                    settle(first);
                    settle(second);
                })
            })
            .collect();
        cores.into_iter().chain(joiners).for_each(|thread| thread.join().unwrap());
        assert_eq!(drops.get(), 8);
    });
}

/// Catches: wakes and results that get lost between cores that all sleep for each other.
#[test]
fn three_cores_in_a_ring_spawn_on_each_other_and_await() {
    explore(|| {
        let (names, ready) = (Mailbox::new(), Mailbox::new());
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (names, ready) = (names.clone(), ready.clone());
                thread::spawn(move || {
                    let core = Core::new();
                    let (inbox, done) = (Mailbox::new(), Mailbox::new());
                    names.put((core.id(), inbox.clone(), done.clone()));
                    core.block_on(async {
                        let next = inbox.next().await;
                        for number in 0..2 {
                            let there = spawn_on(next, move || async move {
                                yield_now().await;
                                spawn(async move { number }).await.unwrap()
                            });
                            assert_eq!(there.expect("it waits").await.unwrap(), number);
                        }
                        ready.put(());
                        done.next().await;
                    });
                })
            })
            .collect();
        let ours = Core::new();
        ours.block_on(async {
            let mut cores = Vec::new();
            for _ in 0..3 {
                cores.push(names.next().await);
            }
            for (at, (_, inbox, _)) in cores.iter().enumerate() {
                inbox.put(cores[(at + 1) % 3].0);
            }
            for _ in 0..3 {
                ready.next().await;
            }
            cores.into_iter().for_each(|(_, _, done)| done.put(()));
        });
        drop(ours);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Catches: a local join that misses a task which another core wakes to its end, or aborts.
#[test]
fn local_joins_hear_of_tasks_that_other_threads_wake_and_abort() {
    explore(|| {
        let core = Core::new();
        let drops = Count::default();
        let (tasks, letters): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let letters = Mailbox::new();
                let (reading, guard) = (letters.clone(), drops.guard());
                let task = core.executor.spawn(async move {
                    let _guard = guard;
                    reading.next().await
                });
                (task, letters)
            })
            .unzip();
        let aborts: Vec<_> = tasks.iter().map(|task| task.abort_handle()).collect();
        let telling = thread::spawn(move || letters.iter().for_each(|letters| letters.put(7)));
        let aborting = thread::spawn(move || aborts.iter().for_each(|abort| abort.abort()));
        core.block_on(async {
            for task in tasks {
                assert!(matches!(task.await, Ok(7) | Err(JoinError::Aborted)));
            }
        });
        telling.join().unwrap();
        aborting.join().unwrap();
        core.turn();
        drop(core);
        assert_eq!(drops.get(), 3);
    });
}
