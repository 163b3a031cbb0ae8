//! An executor that a model's thread owns, with a bell that wakes it from its sleep.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use annulus_task::{Bell, CoreId, Executor, OnPanic};
use loom::sync::Mutex;
use loom::sync::atomic::AtomicBool;

use crate::parts::Eventfd;

/// A panic in a task must not hide: it ends the process, after the message.
pub fn executor() -> Executor {
    Executor::new(OnPanic::Abort).expect("a model has few cores")
}

/// An executor, and what its bell makes readable.
pub struct Core {
    pub executor: Executor,
    bell: Rc<Rung>,
}

struct Rung {
    eventfd: Eventfd,
    gone: std::sync::atomic::AtomicBool,
    times: AtomicU32,
}

fn ring(word: u64) {
    // SAFETY: the word is the exposed address of what the model keeps until its threads have ended.
    let bell = unsafe { &*std::ptr::with_exposed_provenance::<Rung>(word as usize) };
    assert!(!bell.gone.load(Ordering::Relaxed), "a bell was rung after its core had ended");
    bell.times.fetch_add(1, Ordering::Relaxed);
    bell.eventfd.write();
}

impl Core {
    pub fn new() -> Self {
        let executor = executor();
        let (gone, times) = Default::default();
        let bell = Rc::new(Rung { eventfd: Eventfd::new(), gone, times });
        let word = Rc::as_ptr(&bell).expose_provenance() as u64;
        executor.set_bell(Bell { ring, word });
        Self { executor, bell }
    }

    pub fn id(&self) -> CoreId {
        self.executor.id()
    }

    /// How often a foreign thread rang.
    pub fn rung(&self) -> u32 {
        self.bell.times.load(Ordering::Relaxed)
    }

    /// Turns until the future is done; sleeps whenever nothing is to be done.
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
            if !self.executor.is_idle() {
                continue;
            }
            self.sleep();
        }
    }

    pub fn turn(&self) {
        self.executor.drain_inbox();
        self.executor.run(64);
    }

    pub fn sleep(&self) {
        self.executor.sleep(|may_block| {
            if may_block {
                self.bell.eventfd.read();
            }
        });
    }

    /// Announces a sleep, and is awake again before it could block.
    pub fn nap(&self) {
        self.executor.sleep(|_may_block| ());
    }

    /// Ends the executor; from here on nobody may ring its bell.
    pub fn end(self) {
        drop(self.executor);
        self.bell.gone.store(true, Ordering::Relaxed);
        // A late ringer is to be caught, not to read freed memory.
        std::mem::forget(self.bell);
    }
}

/// What one thread says to another, once, through a waker: the news itself is Relaxed, so it is the
/// wake that must bring it.
pub struct News {
    told: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl News {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { told: AtomicBool::new(false), waker: Mutex::new(None) })
    }

    /// Tells, and wakes who waits.
    pub fn tell(&self) {
        self.told.store(true, loom::sync::atomic::Ordering::Relaxed);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits for the news, leaving a waker at each look.
    pub async fn heard(self: Arc<Self>) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            if self.told.load(loom::sync::atomic::Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Counts its drops. (Of `std`, because a count for an assertion is no step of the model.)
#[derive(Clone, Default)]
pub struct Drops(std::sync::Arc<AtomicU32>);

impl Drops {
    pub fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Adds one to its [`Drops`] when dropped.
pub struct Guard(Drops);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}
