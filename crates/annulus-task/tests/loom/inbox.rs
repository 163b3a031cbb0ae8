//! The stack of woken tasks: nothing is lost, nothing comes twice.

use loom::sync::Arc;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::parts::*;

/// Catches: a second waker that only looks at the flag, and so brings nothing with it.
#[test]
fn two_wakers_of_one_task_both_bring_what_they_wrote() {
    model(|| {
        let core = Core::new();
        let threads = [0, 1].map(|number| {
            let waker = Arc::clone(&core);
            thread::spawn(move || {
                waker.written[number].store(true, Relaxed);
                waker.wake(1, 0);
            })
        });
        // The task is polled only when it was woken, and waits until it sees both.
        loop {
            if !core.receive().is_empty() && core.written.iter().all(|w| w.load(Relaxed)) {
                break;
            }
            core.sleep();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Catches: a link that is not published, a push that overwrites another.
#[test]
fn every_index_that_was_sent_is_received_exactly_once() {
    model(|| {
        let core = Core::new();
        let threads = [1, 2].map(|index| {
            let waker = Arc::clone(&core);
            thread::spawn(move || waker.wake(index, 0))
        });
        let mut received = core.receive();
        received.extend(core.receive());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        received.extend(core.receive());
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
        assert!(core.inbox.is_empty());
    });
}

/// Catches: a flag that is cleared before the link is read, or too late for the next wake.
#[test]
fn a_task_that_is_woken_again_while_it_is_received_is_not_lost() {
    model(|| {
        let core = Core::new();
        let waker = Arc::clone(&core);
        let thread = thread::spawn(move || {
            for number in 0..2 {
                waker.written[number].store(true, Relaxed);
                waker.wake(1, 0);
                waker.wake(2, 0);
            }
        });
        let mut seen = [false; 2];
        for _ in 0..2 {
            let received = core.receive();
            let last = core.written[1].load(Relaxed);
            received.into_iter().for_each(|index| seen[index as usize - 1] |= last);
        }
        thread.join().unwrap();
        core.receive().into_iter().for_each(|index| seen[index as usize - 1] = true);
        assert_eq!(seen, [true; 2], "the last wake of a task was lost");
        assert!(core.inbox.is_empty());
    });
}

/// Catches: a flag that a stale wake leaves set for the next task in the header.
#[test]
fn a_wake_that_races_with_the_end_of_its_task_does_not_deafen_the_next_one() {
    model(|| {
        let core = Core::new();
        let stale = Arc::clone(&core);
        let late = thread::spawn(move || stale.wake(1, 0));
        // The task ends, and another one moves into its header.
        core.remotes[1].set_generation(1);
        let waker = Arc::clone(&core);
        let thread = thread::spawn(move || {
            waker.written[0].store(true, Relaxed);
            waker.wake(1, 1);
        });
        // The new task is polled when it is woken, for nothing perhaps, and waits for the write.
        loop {
            if !core.receive().is_empty() && core.written[0].load(Relaxed) {
                break;
            }
            core.sleep();
        }
        late.join().unwrap();
        thread.join().unwrap();
    });
}
