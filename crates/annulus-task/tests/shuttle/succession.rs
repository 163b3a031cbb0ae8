//! Cores that end and are replaced in their slots while others go on sending to all of them.

use std::future::pending;

use annulus_task::{AbortHandle, CoreId, JoinError, TaskId, current, post, spawn_on, wake_current};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use crate::support::*;

/// What is known of cores that live or lived.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<(CoreId, TaskId, AbortHandle)>>>);

impl Names {
    fn any(&self) -> Option<(CoreId, TaskId, AbortHandle)> {
        let names = self.0.lock().unwrap();
        (!names.is_empty()).then(|| names[thread_rng().gen_range(0..names.len())])
    }
}

/// One core after another, each with a task that would wait for ever, and that nobody but its own
/// abort handle may end.
fn dynasty(names: &Names, drops: &Count) {
    for _ in 0..3 {
        let core = Core::new();
        let guard = drops.guard();
        let task = core.executor.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        names.0.lock().unwrap().push((core.id(), task.id(), task.abort_handle()));
        for _ in 0..3 {
            core.turn();
            core.executor.sleep(|_may_block| ());
        }
    }
}

/// Catches: whatever reaches the next core of a slot but a wake for nothing; jobs and promises that
/// are lost between two cores; bells of the dead.
#[test]
fn three_threads_send_to_cores_that_end_and_are_replaced() {
    explore(|| {
        let names = Names::default();
        let (tasks, jobs, made) = (Count::default(), Count::default(), Count::default());
        let dynasties: Vec<_> = (0..2)
            .map(|_| {
                let (names, tasks) = (names.clone(), tasks.clone());
                thread::spawn(move || dynasty(&names, &tasks))
            })
            .collect();
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let (names, jobs, made) = (names.clone(), jobs.clone(), made.clone());
                thread::spawn(move || {
                    let mut sent = 0;
                    for _ in 0..6 {
                        let Some((core, task, _)) = names.any() else { continue };
                        wake_current(task);
                        let guard = jobs.guard();
                        let _ = post(core, move || {
                            assert_eq!(current(), Some(core), "a job ran in another core");
                            drop(guard);
                        });
                        let guard = made.guard();
                        let spawned = spawn_on(core, move || async move {
                            let _guard = guard;
                            assert_eq!(current(), Some(core), "a task ran in another core");
                            7
                        });
                        sent += 1;
                        if let Ok(task) = spawned {
                            if thread_rng().r#gen() {
                                task.abort();
                            }
                            assert!(matches!(
                                task.join_blocking(),
                                Ok(7) | Err(JoinError::Aborted)
                            ));
                        }
                    }
                    sent
                })
            })
            .collect();
        dynasties.into_iter().for_each(|thread| thread.join().unwrap());
        let sent: u32 = senders.into_iter().map(|thread| thread.join().unwrap()).sum();
        // What came too late for the last core of a slot is dropped by the next one.
        let last: Vec<_> = (0..2).map(|_| Core::new()).collect();
        last.iter().for_each(Core::turn);
        drop(last);
        assert_eq!(tasks.get(), 6, "a task was lost");
        assert_eq!((jobs.get(), made.get()), (sent, sent), "a job was lost or dropped twice");
    });
}

/// Catches: an abort by an old name that ends a younger task in the same place.
#[test]
fn aborts_by_old_names_end_none_of_the_younger_tasks() {
    explore(|| {
        let names = Names::default();
        let ended = Count::default();
        let aborting: Vec<_> = (0..2)
            .map(|_| {
                let names = names.clone();
                thread::spawn(move || {
                    for _ in 0..6 {
                        // Only names of cores that are gone already.
                        let old = names.any();
                        old.into_iter().for_each(|(_, _, abort)| abort.abort());
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            let core = Core::new();
            let guard = ended.guard();
            let task = core.executor.spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            let before = ended.get();
            for _ in 0..4 {
                core.turn();
                core.executor.sleep(|_may_block| ());
                assert_eq!(ended.get(), before, "an old name ended a younger task");
            }
            let name = (core.id(), task.id(), task.abort_handle());
            drop(core);
            names.0.lock().unwrap().push(name);
        }
        aborting.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Catches: one slot for two, one name twice, headers of two owners.
#[test]
fn four_threads_claim_and_give_back_slots() {
    explore(|| {
        let names = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let names = Arc::clone(&names);
                thread::spawn(move || {
                    for _ in 0..3 {
                        let core = Core::new();
                        let tasks: Vec<_> = (0..5)
                            .map(|number| core.executor.spawn(async move { number }))
                            .collect();
                        core.block_on(async {
                            for (number, task) in tasks.into_iter().enumerate() {
                                assert_eq!(task.await.unwrap(), number);
                            }
                        });
                        names.lock().unwrap().push(core.id());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut names = names.lock().unwrap();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 12, "a name was given twice");
    });
}
