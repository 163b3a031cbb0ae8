//! The sleep handshake: nobody sleeps over a message, and one sleep is rung once.

use annulus_task::posts::Job;
use loom::sync::Arc;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::parts::*;

/// Catches: either fence of the handshake gone, and a wake that does not bring what came before.
#[test]
fn a_wake_reaches_a_core_that_goes_to_sleep() {
    model(|| {
        let core = Core::new();
        let waker = Arc::clone(&core);
        let thread = thread::spawn(move || {
            waker.written[0].store(true, Relaxed);
            waker.wake(1, 0);
        });
        while core.receive().is_empty() {
            core.sleep();
        }
        assert!(core.written[0].load(Relaxed), "a wake did not bring what was written before it");
        thread.join().unwrap();
    });
}

/// Catches: the same for jobs.
#[test]
fn a_post_reaches_a_core_that_goes_to_sleep() {
    model(|| {
        let core = Core::new();
        let poster = Arc::clone(&core);
        let thread = thread::spawn(move || {
            let written = Arc::clone(&poster);
            let job = move || written.written[0].store(true, Relaxed);
            assert!(poster.post(job).is_ok());
        });
        while !core.written[0].load(Relaxed) {
            core.sleep();
            core.posts.take().for_each(Job::run);
        }
        thread.join().unwrap();
    });
}

/// Catches: a bell that is rung by everyone who sends, or by nobody.
#[test]
fn a_sleep_is_rung_exactly_once_if_it_is_needed_and_at_most_once_if_not() {
    model(|| {
        let core = Core::new();
        let threads = [1, 2].map(|index| {
            let waker = Arc::clone(&core);
            thread::spawn(move || waker.wake(index, 0))
        });
        let blocked = core.sleep();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let rung = core.rung.load(Relaxed);
        assert!(if blocked { rung == 1 } else { rung <= 1 }, "rung {rung} times");
        assert!(!core.receive().is_empty());
    });
}

/// Catches: a bell whose descriptor may be closed already: the wait for ringers, and its fences.
#[test]
fn a_bell_is_never_rung_after_it_was_taken_away() {
    model(|| {
        let core = Core::new();
        let waker = Arc::clone(&core);
        let thread = thread::spawn(move || waker.wake(1, 0));
        core.handshake.announce();
        core.handshake.withdraw();
        core.handshake.announce();
        core.handshake.set_bell(None);
        core.gone.store(true, Relaxed);
        core.named.set(1); // as closing the descriptor does
        thread.join().unwrap();
    });
}

/// Catches: an announcement that does not publish the bell. Needs four preemptions to go wrong.
#[test]
fn a_wake_that_comes_late_rings_the_next_core_of_the_slot_with_its_own_bell() {
    model_with(5, || {
        let first = Core::new();
        let next = Core::new();
        let waker = Arc::clone(&first);
        let thread = thread::spawn(move || waker.handshake.knock());
        first.handshake.announce();
        first.handshake.set_bell(None);
        first.gone.store(true, Relaxed);
        // Another core claims the slot; its bell rings another eventfd.
        first.handshake.set_bell(Some(next.bell()));
        first.handshake.announce();
        thread.join().unwrap();
        first.handshake.set_bell(None);
        assert!(next.rung.load(Relaxed) <= 1);
    });
}
