//! The stack of jobs: each runs, is given back, or is found by the close.

use loom::sync::Arc;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::parts::*;

/// Catches: a close that does not refuse, or loses what came just before.
#[test]
fn a_post_is_either_given_back_or_found_by_the_close() {
    model(|| {
        let core = Core::new();
        let poster = Arc::clone(&core);
        let thread = thread::spawn(move || poster.post(|| ()).is_ok());
        let before = core.posts.take().count();
        let at_close = core.posts.close().count();
        let accepted = thread.join().unwrap();
        assert_eq!(before + at_close, usize::from(accepted));
        assert!(core.post(|| ()).is_err());
        assert_eq!(core.posts.close().count(), 0);
    });
}

/// Catches: a list that is turned round wrongly, a node that is lost.
#[test]
fn jobs_of_two_threads_all_run_and_those_of_one_thread_in_order() {
    model(|| {
        let core = Core::new();
        let poster = Arc::clone(&core);
        let thread = thread::spawn(move || {
            for number in 0..2 {
                let written = Arc::clone(&poster);
                let job = move || {
                    assert!(number == 0 || written.written[0].load(Relaxed), "out of order");
                    written.written[number].store(true, Relaxed);
                };
                assert!(poster.post(job).is_ok());
            }
        });
        let other = Arc::clone(&core);
        let second = thread::spawn(move || assert!(other.post(|| ()).is_ok()));
        let mut jobs = 0;
        core.posts.take().for_each(|job| {
            jobs += 1;
            job.run();
        });
        thread.join().unwrap();
        second.join().unwrap();
        core.posts.take().for_each(|job| {
            jobs += 1;
            job.run();
        });
        assert_eq!(jobs, 3);
        assert!(core.written.iter().all(|w| w.load(Relaxed)));
    });
}

/// Catches: a push that does not publish, or a take that does not see, what came before it.
#[test]
fn a_job_brings_what_was_written_before_it() {
    model(|| {
        let core = Core::new();
        let poster = Arc::clone(&core);
        let thread = thread::spawn(move || {
            poster.written[0].store(true, Relaxed);
            let written = Arc::clone(&poster);
            let job = move || {
                assert!(written.written[0].load(Relaxed), "a job came before what it followed");
            };
            let _refused_at_the_close = poster.post(job);
        });
        let other = Arc::clone(&core);
        let second = thread::spawn(move || other.post(|| ()).is_ok());
        core.posts.take().for_each(annulus_task::posts::Job::run);
        core.posts.close().for_each(annulus_task::posts::Job::run);
        thread.join().unwrap();
        second.join().unwrap();
    });
}
