//! Tasks that one thread starts on the core of another.

use std::future::pending;

use annulus_task::{Closed, JoinError, spawn_on};
use loom::thread;

use crate::core::*;
use crate::parts::model;

/// Catches: a spawn that does not wake the core that sleeps, and a join that does not hear.
#[test]
fn a_task_is_spawned_on_a_core_that_sleeps_and_joined_from_there() {
    model(|| {
        let core = Core::new();
        let id = core.id();
        let thread = thread::spawn(move || {
            let task = spawn_on(id, || async { 7 }).expect("the core lives");
            task.join_blocking().unwrap()
        });
        core.turn();
        while core.executor.is_idle() {
            core.sleep();
        }
        core.turn();
        assert_eq!(thread.join().unwrap(), 7);
        core.end();
    });
}

/// Catches: a promise that is neither kept nor broken when the core ends meanwhile: the join would
/// block for ever.
#[test]
fn a_spawn_that_races_with_the_end_is_refused_or_joined() {
    model(|| {
        let core = Core::new();
        let id = core.id();
        let drops = Drops::default();
        let guard = drops.guard();
        let thread = thread::spawn(move || {
            let make = move || async move {
                let _guard = guard;
                7
            };
            match spawn_on(id, make) {
                Ok(task) => task.join_blocking(),
                Err(Closed) => Err(JoinError::Aborted),
            }
        });
        core.turn();
        core.end();
        assert!(matches!(thread.join().unwrap(), Ok(7) | Err(JoinError::Aborted)));
        assert_eq!(drops.count(), 1);
    });
}

/// Catches: an abort that comes between the core's look at the wish and the name it leaves: the
/// second look in `keep`. The task would wait for ever, and so would who joins it.
#[test]
fn an_abort_that_races_with_the_start_is_not_lost() {
    model(|| {
        let core = Core::new();
        let id = core.id();
        let drops = Drops::default();
        let guard = drops.guard();
        let thread = thread::spawn(move || {
            let make = move || async move {
                let _guard = guard;
                pending::<()>().await;
            };
            let task = spawn_on(id, make).expect("the core lives");
            task.abort();
            task.join_blocking()
        });
        core.turn();
        while drops.count() == 0 {
            if core.executor.is_idle() {
                core.sleep();
            }
            core.turn();
        }
        assert!(matches!(thread.join().unwrap(), Err(JoinError::Aborted)));
        core.end();
    });
}
