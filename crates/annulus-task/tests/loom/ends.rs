//! The end of a core while others still send to it.

use std::future::pending;

use annulus_task::{post, wake_current};
use loom::thread;

use crate::core::*;
use crate::parts::model;

/// Catches: a job that is accepted and then forgotten, or dropped twice, by a shutdown that closes
/// the posts; a bell that is rung after the end.
#[test]
fn a_post_that_races_with_the_end_is_run_dropped_or_refused() {
    model(|| {
        let core = Core::new();
        let id = core.id();
        let drops = Drops::default();
        let guards = [drops.guard(), drops.guard()];
        let thread = thread::spawn(move || {
            let accepted = guards.map(|guard| post(id, move || drop(guard)).is_ok());
            assert!(accepted[0] || !accepted[1], "refused first, accepted then");
        });
        core.turn();
        core.nap();
        core.end();
        thread.join().unwrap();
        assert_eq!(drops.count(), 2);
    });
}

/// Catches: a sleep that ends by a bell of the past, and a core that is deaf after it: the core
/// sleeps, is woken, ends, and its successor in the slot sleeps and is woken.
#[test]
fn a_late_wake_of_the_first_core_does_not_deafen_the_second() {
    model(|| {
        let first = Core::new();
        let old = first.executor.spawn(pending::<()>()).id();
        first.turn();
        let late = thread::spawn(move || wake_current(old));
        first.nap();
        first.end();
        let second = Core::new();
        let news = News::new();
        let teller = std::sync::Arc::clone(&news);
        let telling = thread::spawn(move || teller.tell());
        let task = second.executor.spawn(news.heard());
        second.block_on(task).unwrap();
        late.join().unwrap();
        telling.join().unwrap();
        second.end();
    });
}

/// Catches: two shutdowns of two cores that wait for each other's ringers.
#[test]
fn two_cores_wake_each_other_while_both_end() {
    model(|| {
        let one = Core::new();
        let task = one.executor.spawn(pending::<()>()).id();
        let thread = thread::spawn(move || {
            let two = Core::new();
            wake_current(task);
            two.nap();
            two.end();
        });
        one.nap();
        one.end();
        thread.join().unwrap();
    });
}
