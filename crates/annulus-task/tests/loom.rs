//! Models of everything that threads share, explored exhaustively by loom (bounded to three
//! preemptions by default, `LOOM_MAX_PREEMPTIONS` changes it):
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p annulus-task --test loom --release
//! ```
//!
//! The models put the shipped structures together as `registry` and `local` do. A lost wake shows
//! as a deadlock, which loom reports.
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "the words of bells name what a model owns")]

use annulus_task::handshake::{Bell, Handshake};
use annulus_task::inbox::{Inbox, NIL, Remote};
use annulus_task::posts::{Job, Posts};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// What a bell makes readable and a sleeping core reads. (loom's `Notify` returns spuriously, which
/// would hide how often a sleep is rung.)
struct Eventfd {
    readable: Mutex<bool>,
    changed: Condvar,
}

impl Eventfd {
    fn write(&self) {
        *self.readable.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn read(&self) {
        let mut readable = self.readable.lock().unwrap();
        while !*readable {
            readable = self.changed.wait(readable).unwrap();
        }
        *readable = false;
    }
}

/// A core with two tasks, as its registry slot has it.
struct Core {
    inbox: Inbox,
    posts: Posts,
    handshake: Handshake,
    remotes: [Remote; 3],
    eventfd: Eventfd,
    rung: AtomicUsize,
    /// The bell must not be rung any more.
    gone: AtomicBool,
    written: [AtomicBool; 2],
}

fn ring(word: u64) {
    // SAFETY: the word is the address of the model's core, which outlives its threads.
    let core = unsafe { &*std::ptr::with_exposed_provenance::<Core>(word as usize) };
    assert!(!core.gone.load(Relaxed), "a bell was rung after it had been taken away");
    core.rung.fetch_add(1, Relaxed);
    core.eventfd.write();
}

impl Core {
    fn new() -> Arc<Self> {
        let core = Arc::new(Self {
            inbox: Inbox::new(),
            posts: Posts::new(),
            handshake: Handshake::new(),
            remotes: [Remote::new(), Remote::new(), Remote::new()],
            eventfd: Eventfd { readable: Mutex::new(false), changed: Condvar::new() },
            rung: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
            written: [AtomicBool::new(false), AtomicBool::new(false)],
        });
        core.handshake.set_bell(Some(core.bell()));
        core
    }

    fn bell(&self) -> Bell {
        Bell { ring, word: std::ptr::from_ref(self).expose_provenance() as u64 }
    }

    /// As `Slot::wake`.
    fn wake(&self, index: u32, generation: u32) {
        let remote = &self.remotes[index as usize];
        if remote.generation() == generation && self.inbox.send(index, remote) {
            self.handshake.knock();
        }
    }

    /// As `post`.
    fn post(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Job> {
        self.posts.push(Job::new(1, job))?;
        self.handshake.knock();
        Ok(())
    }

    /// As `Local::receive`.
    fn receive(&self) -> Vec<u32> {
        let mut received = Vec::new();
        let mut index = self.inbox.take(|index| &self.remotes[index as usize]);
        while index != NIL {
            received.push(index);
            index = self.remotes[index as usize].receive();
        }
        received
    }

    fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.posts.is_empty()
    }

    /// As `Executor::sleep`. True if it blocked.
    fn sleep(&self) -> bool {
        self.handshake.announce();
        let blocks = self.is_idle();
        if blocks {
            self.eventfd.read();
        }
        self.handshake.withdraw();
        blocks
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = Some(3);
    }
    builder.check(body);
}

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
        let mut seen_last = false;
        for _ in 0..2 {
            seen_last |= !core.receive().is_empty() && core.written[1].load(Relaxed);
        }
        thread.join().unwrap();
        let rest = core.receive();
        assert!(seen_last || !rest.is_empty(), "the last wake was lost");
        assert!(rest.len() <= 2 && core.inbox.is_empty());
    });
}

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
        thread.join().unwrap();
    });
}

#[test]
fn a_wake_that_comes_late_rings_the_next_core_of_the_slot_with_its_own_bell() {
    model(|| {
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
