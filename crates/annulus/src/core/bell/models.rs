//! The futex bell under loom: every interleaving of threads that send to a core with one that
//! sleeps, is awake, and ends.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p annulus --lib --profile models models
//! ```
//!
//! The word, the executor and its handshake are those that ship. The kernel is a model of
//! futex(7): who waits looks at the word under a lock and is then in a queue, which only a wake
//! leads out of. The core is as short as it can be: `sleep_alone` and `sleep_in_ring` do in the
//! same order what a turn does. A lost wake shows as a deadlock, which loom reports.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};

use annulus_ring::abi::Errno;
use annulus_task::{CoreId, Executor, OnPanic, post};
use loom::sync::atomic::AtomicU32;
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use super::word::{Atomic, Ended, SILENT, Word};

impl Atomic for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        Self::load(self, order)
    }

    fn store(&self, value: u32, order: Ordering) {
        Self::store(self, value, order);
    }
}

/// Who waits for a word; there is one at most.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    Empty,
    Waiting,
    Woken,
}

/// The kernel's side of the word.
struct Futex {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Futex {
    /// FUTEX_WAIT begins, in the ring or not. False if the word says something else: EAGAIN.
    fn begin(&self, word: &AtomicU32) -> bool {
        let mut queue = self.queue.lock().unwrap();
        // ORDERING: Relaxed; under the lock, as in the kernel.
        let silent = word.load(Ordering::Relaxed) == SILENT;
        if silent {
            *queue = Queue::Waiting;
        }
        silent
    }

    /// Whether the wait has ended. Of each wait that is said once.
    fn has_ended(&self) -> bool {
        let mut queue = self.queue.lock().unwrap();
        let woken = *queue == Queue::Woken;
        if woken {
            *queue = Queue::Empty;
        }
        woken
    }

    fn until_woken(&self) {
        let mut queue = self.queue.lock().unwrap();
        while *queue != Queue::Woken {
            queue = self.changed.wait(queue).unwrap();
        }
    }

    /// FUTEX_WAKE.
    fn wake(&self) {
        let mut queue = self.queue.lock().unwrap();
        if *queue == Queue::Waiting {
            *queue = Queue::Woken;
            self.changed.notify_one();
        }
    }
}

/// What the executor's bell names.
struct Rung {
    word: Word<AtomicU32>,
    futex: Futex,
    /// Stands for the memory of the word: whoever rings reads it, and freeing it writes it.
    memory: loom::cell::Cell<u32>,
}

/// As `ring_futex`.
fn ring(address: u64) {
    // SAFETY: what a model leaks; see `Core::end`.
    let rung = unsafe { &*std::ptr::with_exposed_provenance::<Rung>(address as usize) };
    assert_eq!(rung.memory.get(), 0, "a bell was rung after its word was freed");
    rung.word.ring(|_| rung.futex.wake());
}

/// A core, on the model's own thread.
struct Core {
    executor: Executor,
    rung: &'static Rung,
    armed: Cell<bool>,
    /// Jobs that were run. (Of `std`, because a count for an assertion is no step of the model.)
    received: Arc<Count>,
}

impl Core {
    fn new() -> Self {
        let executor = Executor::new(OnPanic::Abort).expect("a model has few cores");
        let rung: &'static Rung = Box::leak(Box::new(Rung {
            word: Word::new(AtomicU32::new(SILENT)),
            futex: Futex { queue: Mutex::new(Queue::Empty), changed: Condvar::new() },
            memory: loom::cell::Cell::new(0),
        }));
        let word = std::ptr::from_ref(rung).expose_provenance() as u64;
        executor.set_bell(annulus_task::Bell { ring, word });
        Self { executor, rung, armed: Cell::new(false), received: Arc::default() }
    }

    /// A thread that sends something to the core, which has perhaps ended.
    fn sender(&self) -> JoinHandle<bool> {
        let (core, received): (CoreId, _) = (self.executor.id(), Arc::clone(&self.received));
        thread::spawn(move || {
            let job = move || {
                // ORDERING: Relaxed; the core's thread alone counts.
                received.fetch_add(1, Ordering::Relaxed);
            };
            post(core, job).is_ok()
        })
    }

    fn received(&self) -> u32 {
        self.executor.drain_inbox();
        // ORDERING: Relaxed, as above.
        self.received.load(Ordering::Relaxed)
    }

    /// As a turn with nothing in the ring. True if it slept.
    fn sleep_alone(&self) -> bool {
        assert!(!self.armed.get());
        let Some(_asleep) = self.executor.fall_asleep() else {
            return false;
        };
        let ended = self.rung.word.sleep(|atomic| {
            if !self.rung.futex.begin(atomic) {
                return Err(Errno(libc::EAGAIN));
            }
            self.rung.futex.until_woken();
            assert!(self.rung.futex.has_ended());
            Ok(())
        });
        assert!(ended == Ended::Rung);
        true
    }

    /// As a turn that waits for the ring: for the request of the bell, or not even for that if
    /// `another` request has completed.
    fn sleep_in_ring(&self, another: bool) {
        let (futex, mut res) = (&self.rung.futex, None);
        if let Some(_asleep) = self.executor.fall_asleep() {
            if !self.armed.replace(true) && !futex.begin(self.rung.word.atomic()) {
                res = Some(-libc::EAGAIN);
            } else if !another {
                futex.until_woken();
            }
        }
        if res.is_none() && self.armed.get() && futex.has_ended() {
            res = Some(0);
        }
        if let Some(res) = res {
            self.armed.set(false);
            assert!(self.rung.word.has_ended(res), "it has ended for nothing");
        }
    }

    /// Announces a sleep, and is awake again before it could block.
    fn nap(&self) {
        drop(self.executor.fall_asleep());
    }

    fn says(&self) -> u32 {
        // ORDERING: Relaxed; for an assertion, on the only thread.
        self.rung.word.atomic().load(Ordering::Relaxed)
    }

    /// As the end of a core. What the bell names is leaked, so that a late ringer is caught and
    /// reads no memory that is gone.
    fn end(self) {
        self.executor.shutdown();
        self.executor.clear_bell();
        self.rung.memory.set(1);
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(body);
}

/// Catches: a ring that comes between the look at the word and the sleep, before the word is set,
/// or before it is taken back.
#[test]
fn what_two_threads_send_ends_the_sleeps_of_a_core_without_its_ring() {
    model(|| {
        let core = Core::new();
        let senders = [core.sender(), core.sender()];
        while core.received() < 2 {
            core.sleep_alone();
        }
        assert!(senders.map(|sender| sender.join().unwrap()) == [true, true]);
        core.end();
    });
}

/// Catches: the same where the request of the bell outlives a sleep that another one ended, and is
/// rung while the core is awake.
#[test]
fn what_two_threads_send_ends_the_sleeps_of_a_core_in_its_ring() {
    model(|| {
        let core = Core::new();
        let senders = [core.sender(), core.sender()];
        let mut another = true;
        while core.received() < 2 {
            core.sleep_in_ring(another);
            another = false;
        }
        assert!(senders.map(|sender| sender.join().unwrap()) == [true, true]);
        core.end();
    });
}

/// Catches: a ring of one way of sleeping that is taken back in the other.
#[test]
fn what_is_sent_ends_the_sleep_of_a_core_that_changes_between_both_ways() {
    model(|| {
        let core = Core::new();
        let senders = [core.sender(), core.sender()];
        core.sleep_in_ring(true);
        while core.received() < 2 {
            if core.armed.get() {
                core.sleep_in_ring(false);
            } else {
                core.sleep_alone();
            }
        }
        assert!(senders.map(|sender| sender.join().unwrap()) == [true, true]);
        core.end();
    });
}

/// Catches: a ring that is never taken back, with which a core would sleep no more.
#[test]
fn a_ring_that_comes_late_ends_one_more_sleep_at_most() {
    model(|| {
        let core = Core::new();
        let sender = core.sender();
        core.nap();
        core.sleep_in_ring(true);
        assert!(sender.join().unwrap());
        assert_eq!(core.received(), 1);
        if core.armed.get() {
            // One that has been rung is reaped; one that has not would sleep for ever.
            core.sleep_in_ring(true);
        } else if core.says() != SILENT {
            assert!(core.sleep_alone());
        }
        assert_eq!(core.says(), SILENT);
        assert!(!core.rung.futex.has_ended());
        core.end();
    });
}

/// Catches: a word that is freed while somebody rings, asleep or awake.
#[test]
fn a_core_ends_while_others_send_and_its_word_is_touched_no_more() {
    model(|| {
        let core = Core::new();
        let senders = [core.sender(), core.sender()];
        core.nap();
        core.sleep_in_ring(true);
        core.end();
        let _accepted = senders.map(|sender| sender.join().unwrap());
    });
}
