//! A core that sleeps and is rung, and the two schedulers that explore each model.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use annulus_task::{Bell, CoreId, Executor, OnPanic};
use shuttle::sync::{Arc, Condvar, Mutex};

/// Explores a model: at random, and by priorities that change a few times (which finds what needs
/// long waits of one thread).
pub fn explore(model: impl Fn() + Send + Sync + 'static) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS")
        .map_or(300, |number| number.parse().expect("a number of executions"));
    let model = std::sync::Arc::new(model);
    let same = std::sync::Arc::clone(&model);
    shuttle::check_random(move || model(), iterations);
    shuttle::check_pct(move || same(), iterations, 4);
}

/// Counts in a way that is no step of a model.
#[derive(Clone, Default)]
pub struct Count(std::sync::Arc<AtomicU32>);

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one when dropped.
    pub fn guard(&self) -> Guard {
        Guard(self.clone())
    }
}

pub struct Guard(Count);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// What a bell makes readable.
struct Eventfd {
    readable: Mutex<bool>,
    changed: Condvar,
    gone: std::sync::atomic::AtomicBool,
}

fn ring(word: u64) {
    // SAFETY: the word is the exposed address of what the model keeps until its threads have ended.
    let eventfd = unsafe { &*std::ptr::with_exposed_provenance::<Eventfd>(word as usize) };
    assert!(!eventfd.gone.load(Ordering::Relaxed), "a bell was rung after its core had ended");
    *eventfd.readable.lock().unwrap() = true;
    eventfd.changed.notify_one();
}

/// An executor of this thread.
pub struct Core {
    pub executor: Executor,
    eventfd: &'static Eventfd,
}

impl Core {
    pub fn new() -> Self {
        let executor = Executor::new(OnPanic::Abort).expect("a model has few cores");
        // Leaked, so that a ring that comes too late is caught, not one that reads freed memory.
        let eventfd: &Eventfd = Box::leak(Box::new(Eventfd {
            readable: Mutex::new(false),
            changed: Condvar::new(),
            gone: Default::default(),
        }));
        let word = std::ptr::from_ref(eventfd).expose_provenance() as u64;
        executor.set_bell(Bell { ring, word });
        Self { executor, eventfd }
    }

    pub fn id(&self) -> CoreId {
        self.executor.id()
    }

    /// Receives and polls what there is, a bit at a time.
    pub fn turn(&self) {
        let _entered = self.executor.enter();
        self.executor.drain_inbox();
        self.executor.run(2);
    }

    /// Sleeps if nothing is to be done.
    pub fn sleep(&self) {
        self.executor.sleep(|may_block| {
            if may_block {
                let mut readable = self.eventfd.readable.lock().unwrap();
                while !*readable {
                    readable = self.eventfd.changed.wait(readable).unwrap();
                }
                *readable = false;
            }
        });
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.executor.enter();
        let mut future = pin!(future);
        let waker = self.executor.root_waker();
        waker.wake_by_ref();
        loop {
            if self.executor.take_root_wake() {
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = polled {
                    return output;
                }
            }
            self.turn();
            if self.executor.is_idle() {
                self.sleep();
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.executor.shutdown();
        self.executor.clear_bell();
        self.eventfd.gone.store(true, Ordering::Relaxed);
    }
}

/// A queue whose reader leaves a waker.
pub struct Mailbox<T>(Arc<Mutex<Letters<T>>>);

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Letters<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
}

impl<T> Mailbox<T> {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Letters { queue: VecDeque::new(), waker: None })))
    }

    pub fn put(&self, letter: T) {
        let mut letters = self.0.lock().unwrap();
        letters.queue.push_back(letter);
        let waker = letters.waker.clone();
        drop(letters);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub async fn next(&self) -> T {
        poll_fn(|cx| {
            let mut letters = self.0.lock().unwrap();
            letters.waker = Some(cx.waker().clone());
            letters.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
