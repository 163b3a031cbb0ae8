//! A join against completion, abort and the end of the core, from this thread and from others.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use annulus_task::JoinError;
use loom::thread;

use crate::core::*;
use crate::parts::model;

/// Catches: a joiner that is not woken, and a future that is dropped twice or not at all, when an
/// abort from another thread meets the completion.
#[test]
fn a_local_join_ends_once_when_an_abort_races_with_the_completion() {
    model(|| {
        let core = Core::new();
        let news = News::new();
        let (teller, drops) = (Arc::clone(&news), Drops::default());
        let guard = drops.guard();
        let task = core.executor.spawn(async move {
            let _guard = guard;
            news.heard().await;
            7
        });
        let abort = task.abort_handle();
        let telling = thread::spawn(move || teller.tell());
        let aborting = thread::spawn(move || abort.abort());
        let joined = core.block_on(task);
        assert!(matches!(joined, Ok(7) | Err(JoinError::Aborted)));
        assert_eq!(drops.count(), 1);
        telling.join().unwrap();
        aborting.join().unwrap();
        core.turn();
        core.end();
    });
}

/// Catches: a join that sleeps over the result: the waker is left and the result delivered under
/// one lock.
#[test]
fn a_thread_that_blocks_for_a_task_gets_its_output() {
    model(|| {
        let core = Core::new();
        let task = core.executor.spawn(async { 7 }).remote();
        let thread = thread::spawn(move || task.join_blocking().unwrap());
        core.turn();
        assert_eq!(thread.join().unwrap(), 7);
        core.end();
    });
}

/// Catches: an abort that is lost between the look at the name and the post, a result that is
/// neither value nor abort, and a future that outlives its join.
#[test]
fn a_remote_abort_races_with_the_completion_and_the_join_tells_who_won() {
    model(|| {
        let core = Core::new();
        let drops = Drops::default();
        let guard = drops.guard();
        let mut woken = false;
        let task = core.executor.spawn(async move {
            let _guard = guard;
            poll_fn(|cx| {
                if std::mem::replace(&mut woken, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            7
        });
        let (task, seen) = (task.remote(), drops.clone());
        let thread = thread::spawn(move || {
            task.abort();
            let joined = task.join_blocking();
            assert_eq!(seen.count(), 1, "the join was ready before the future was gone");
            joined
        });
        core.turn();
        core.turn();
        while core.executor.live_tasks() > 0 {
            core.turn();
        }
        let joined = thread.join().unwrap();
        assert!(matches!(joined, Ok(7) | Err(JoinError::Aborted)));
        core.turn();
        core.end();
    });
}

/// Catches: an abort that does not reach a core that sleeps.
#[test]
fn a_remote_abort_ends_a_task_that_would_wait_for_ever() {
    model(|| {
        let core = Core::new();
        let task = core.executor.spawn(pending::<()>()).remote();
        let thread = thread::spawn(move || {
            task.abort();
            task.join_blocking()
        });
        while core.executor.live_tasks() > 0 {
            core.turn();
            if core.executor.live_tasks() > 0 {
                core.sleep();
            }
        }
        assert!(matches!(thread.join().unwrap(), Err(JoinError::Aborted)));
        core.end();
    });
}

/// Catches: an output that is dropped twice, or never, when the handle goes while the task ends; a
/// cell that the handle's thread touches.
#[test]
fn an_output_is_dropped_once_when_the_handle_goes_while_the_task_ends() {
    model(|| {
        let core = Core::new();
        let drops = Drops::default();
        let guard = drops.guard();
        let task = core.executor.spawn(async move { guard }).remote();
        let thread = thread::spawn(move || drop(task));
        core.turn();
        thread.join().unwrap();
        assert_eq!(drops.count(), 1);
        core.end();
    });
}

/// Catches: a join that waits for a core that is gone.
#[test]
fn a_blocked_join_is_told_when_the_core_ends() {
    model(|| {
        let core = Core::new();
        let task = core.executor.spawn(pending::<()>()).remote();
        let thread = thread::spawn(move || task.join_blocking());
        core.nap();
        core.end();
        assert!(matches!(thread.join().unwrap(), Err(JoinError::Aborted)));
    });
}

/// Catches: the same with everything at once: the abort is posted while the posts are closed.
#[test]
fn a_remote_abort_races_with_the_end_of_the_core() {
    model(|| {
        let core = Core::new();
        let drops = Drops::default();
        let guard = drops.guard();
        let task = core.executor.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let task = task.remote();
        let thread = thread::spawn(move || {
            task.abort();
            task.join_blocking()
        });
        core.turn();
        core.end();
        assert!(matches!(thread.join().unwrap(), Err(JoinError::Aborted)));
        assert_eq!(drops.count(), 1);
    });
}

/// Catches: a waker of a second core that is not woken, or woken with the wrong bell.
#[test]
fn a_second_core_awaits_a_task_of_the_first_and_sleeps_meanwhile() {
    model(|| {
        let first = Core::new();
        let task = first.executor.spawn(async { 7 }).remote();
        let thread = thread::spawn(move || {
            let second = Core::new();
            let joined = second.block_on(task);
            second.end();
            joined.unwrap()
        });
        first.turn();
        first.end();
        assert_eq!(thread.join().unwrap(), 7);
    });
}

/// Catches: a handle that changes threads and leaves its first waker the only one.
#[test]
fn a_join_that_is_polled_on_two_threads_is_ready_on_the_last() {
    model(|| {
        let core = Core::new();
        let mut task = core.executor.spawn(async { 7 }).remote();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::Pin::new(&mut task).poll(&mut cx).is_pending());
        let thread = thread::spawn(move || task.join_blocking().unwrap());
        core.turn();
        assert_eq!(thread.join().unwrap(), 7);
        core.end();
    });
}
