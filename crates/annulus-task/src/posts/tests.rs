//! The stack of jobs on one thread; the races are in `tests/loom`.

use std::sync::{Arc, Mutex};

use super::*;

#[test]
fn jobs_run_in_the_order_in_which_they_were_posted() {
    let posts = Posts::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..4 {
        let seen = Arc::clone(&seen);
        let job = Job::new(1, move || seen.lock().unwrap().push(number));
        assert!(posts.push(job).is_ok());
    }
    posts.take().for_each(Job::run);
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3]);
    assert!(posts.is_empty());
}

#[test]
fn a_closed_stack_gives_a_job_back_unrun_and_an_opened_one_takes_it_again() {
    let posts = Posts::new();
    assert_eq!(posts.close().count(), 0);
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    let job = posts.push(Job::new(3, move || drop(held))).expect_err("closed");
    assert_eq!(job.epoch(), 3);
    assert_eq!(Arc::strong_count(&witness), 2);
    posts.open();
    assert!(posts.push(job).is_ok());
    assert_eq!(posts.close().count(), 1);
    assert_eq!(Arc::strong_count(&witness), 1);
    assert_eq!(posts.close().count(), 0);
}

#[test]
fn jobs_that_nobody_consumes_are_dropped() {
    let posts = Posts::new();
    let witness = Arc::new(());
    for _ in 0..3 {
        let held = Arc::clone(&witness);
        assert!(posts.push(Job::new(1, move || drop(held))).is_ok());
    }
    let mut jobs = posts.take();
    jobs.next().expect("three jobs").run();
    assert_eq!(Arc::strong_count(&witness), 3);
    drop(jobs);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn a_job_that_panics_when_it_is_dropped_keeps_no_other_from_being_dropped() {
    struct Bomb(Arc<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(Arc::strong_count(&self.0) == 0, "as the test wants it");
        }
    }
    let posts = Posts::new();
    let witness = Arc::new(());
    for _ in 0..2 {
        let bomb = Bomb(Arc::clone(&witness));
        assert!(posts.push(Job::new(1, move || drop(bomb))).is_ok());
        let held = Arc::clone(&witness);
        assert!(posts.push(Job::new(1, move || drop(held))).is_ok());
    }
    let jobs = posts.take();
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(jobs)));
    assert_eq!(Arc::strong_count(&witness), 1);
}
