//! The registry: slots, their epochs, and what reaches the next core of a slot. Nothing may, but a
//! wake for nothing.

use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use annulus_task::{CoreId, current, post, wake_current};
use loom::thread;

use crate::core::*;
use crate::parts::model;

/// A core with one task, that comes and goes.
fn live_and_end() -> CoreId {
    let executor = executor();
    executor.spawn(async {}).detach();
    executor.run(1);
    executor.id()
}

/// Catches: one slot given to two threads, or one name given twice.
#[test]
fn two_threads_that_claim_slots_at_once_get_cores_of_their_own() {
    model(|| {
        let thread = thread::spawn(|| {
            let theirs = executor();
            let id = theirs.id();
            std::mem::forget(theirs); // so both live when they are compared
            id
        });
        let ours = executor();
        let theirs = thread.join().unwrap();
        assert_ne!(theirs.slot(), ours.id().slot(), "two cores in one slot");
    });
}

/// Catches: headers that pass from one owner thread to the next without the registry's mutex (loom
/// reports the cells), and an epoch that is given twice.
#[test]
fn a_slot_passes_from_thread_to_thread_with_all_its_headers() {
    model(|| {
        let thread = thread::spawn(live_and_end);
        let ours = live_and_end();
        let theirs = thread.join().unwrap();
        assert_ne!(ours, theirs);
        let last = live_and_end();
        assert!(last != ours && last != theirs);
    });
}

/// Catches: a job of a core that is gone, run by the next core of its slot (the epoch in `post`, in
/// the job, or the close of the posts); a job that is accepted and neither run nor dropped.
#[test]
fn a_post_to_a_core_that_is_gone_never_runs_in_the_next_core_of_its_slot() {
    model(|| {
        let first = Core::new();
        let id = first.id();
        let (drops, ran) = (Drops::default(), std::sync::Arc::new(AtomicBool::new(false)));
        let (guard, running) = (drops.guard(), std::sync::Arc::clone(&ran));
        let poster = thread::spawn(move || {
            let job = move || {
                assert_eq!(current(), Some(id), "a job ran in another core than its own");
                running.store(true, Ordering::Relaxed);
                drop(guard);
            };
            post(id, job).is_ok()
        });
        first.turn();
        first.end();
        let next = Core::new();
        assert_eq!(next.id().slot(), id.slot());
        assert_ne!(next.id(), id);
        next.turn();
        let accepted = poster.join().unwrap();
        next.turn();
        assert_eq!(drops.count(), 1, "a job was lost or dropped twice");
        assert!(accepted || !ran.load(Ordering::Relaxed), "a job ran that was refused");
        next.end();
    });
}

/// Catches: a refusal that comes too late or never.
#[test]
fn a_post_after_the_end_is_refused_whoever_has_the_slot() {
    model(|| {
        let id = live_and_end();
        let thread = thread::spawn(move || assert!(post(id, || unreachable!()).is_err()));
        let next = Core::new();
        next.turn();
        assert!(post(id, || unreachable!()).is_err());
        thread.join().unwrap();
        next.turn();
        next.end();
    });
}

/// Catches: a posted job that a new core takes for one of a former one: the claim publishes the
/// open posts.
#[test]
fn a_post_to_the_next_core_is_accepted_as_soon_as_its_name_is_known() {
    model(|| {
        let first = live_and_end();
        let next = Core::new();
        assert_eq!(next.id().slot(), first.slot());
        let id = next.id();
        let ran = std::sync::Arc::new(AtomicBool::new(false));
        let running = std::sync::Arc::clone(&ran);
        let thread = thread::spawn(move || {
            post(id, move || running.store(true, Ordering::Relaxed)).expect("the core lives");
        });
        while !ran.load(Ordering::Relaxed) {
            next.turn();
            if !ran.load(Ordering::Relaxed) {
                next.sleep();
            }
        }
        thread.join().unwrap();
        next.end();
    });
}

/// Catches: a stale name that polls, ends or deafens a task of the core that has its slot now, in
/// the same place; and headers that a late wake makes two threads touch.
#[test]
fn stale_wakes_and_aborts_do_nothing_to_the_next_core_on_another_thread() {
    model(|| {
        let first = Core::new();
        let old = first.executor.spawn(pending::<()>());
        let (task, abort) = (old.id(), old.abort_handle());
        drop(old);
        first.turn();
        let stale = thread::spawn(move || {
            wake_current(task);
            abort.abort();
        });
        let next = thread::spawn(move || {
            let core = Core::new();
            let (polls, drops) = (Rc::new(std::cell::Cell::new(0)), Drops::default());
            let (counted, guard) = (Rc::clone(&polls), drops.guard());
            let task = core.executor.spawn(async move {
                counted.set(counted.get() + 1);
                let _guard = guard;
                pending::<()>().await;
            });
            core.turn();
            core.turn();
            assert_eq!((polls.get(), drops.count()), (1, 0));
            assert!(!task.is_finished());
            core.end();
            assert_eq!(drops.count(), 1);
        });
        first.end();
        stale.join().unwrap();
        next.join().unwrap();
    });
}
