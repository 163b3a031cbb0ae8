//! The pool of threads under shuttle: random interleavings of cores that push, threads that idle
//! and end, threads that cannot be started, and a leave while jobs are queued.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p annulus --lib --profile models workers::models
//! ```
//!
//! Owns: the primitives that the pool is built from under `cfg(shuttle)`. shuttle's own condition
//! variable never times out; this one does whenever it likes.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::LockResult;
use std::time::Duration;

use shuttle::rand::Rng as _;

pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(super) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    inner: shuttle::sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let inner = self.0.lock().expect("nothing throws in a lock");
        Ok(MutexGuard { mutex: self, inner })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

pub(super) struct Condvar(shuttle::sync::Condvar);

/// Whether a wait timed out.
pub(super) struct TimedOut(bool);

impl TimedOut {
    pub(super) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(super) fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// A long bound is never reached, a short one whenever the schedule likes.
    pub(super) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        bound: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, TimedOut)> {
        let MutexGuard { mutex, inner } = guard;
        if bound < LONG / 2 && shuttle::rand::thread_rng().r#gen() {
            drop(inner);
            shuttle::thread::yield_now();
            return mutex.lock().map(|guard| (guard, TimedOut(true))).map_err(|_| unreachable!());
        }
        let inner = self.0.wait(inner).expect("nothing throws in a lock");
        Ok((MutexGuard { mutex, inner }, TimedOut(false)))
    }
}

/// Threads, of which the system may give none.
pub(super) mod thread {
    use super::*;

    pub(crate) struct Builder(String);

    impl Builder {
        pub(crate) fn new() -> Self {
            Self(String::new())
        }

        pub(crate) fn name(self, name: String) -> Self {
            Self(name)
        }

        pub(crate) fn spawn(self, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
            if SHORT_OF_THREADS.get() && shuttle::rand::thread_rng().r#gen() {
                shuttle::thread::yield_now();
                return Err(io::ErrorKind::WouldBlock.into());
            }
            shuttle::thread::Builder::new().name(self.0).spawn(run).map(drop)
        }
    }
}

const LONG: Duration = Duration::from_secs(1 << 30);

std::thread_local! {
    /// All threads of a model are coroutines of one.
    static SHORT_OF_THREADS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};

    use annulus_sync::cross::oneshot;

    use super::super::{Refused, Shape, Ticket, Workers};
    use super::*;

    fn explore(short_of_threads: bool, model: impl Fn() + Send + Sync + 'static) {
        SHORT_OF_THREADS.set(short_of_threads);
        let iterations = std::env::var("SHUTTLE_ITERATIONS")
            .map_or(1000, |number| number.parse().expect("a number of executions"));
        let model = Arc::new(model);
        let same = Arc::clone(&model);
        shuttle::check_random(move || model(), iterations);
        shuttle::check_pct(move || same(), iterations, 4);
    }

    struct Unpark(shuttle::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Counts the drops of what a job holds. Not a step of a model.
    struct Guard(Arc<AtomicU32>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn shape(threads_max: usize, queue_max: usize) -> Shape {
        Shape { threads_max, queue_max, idle: Duration::ZERO }
    }

    /// Pushes a job as `spawn_blocking` does, waits for room, and for the result if told to. True
    /// if it ran.
    fn submit(workers: &Arc<Workers>, drops: &Arc<AtomicU32>, wait: bool) -> bool {
        let guard = Guard(Arc::clone(drops));
        let (sender, result) = oneshot();
        let mut job: super::super::Job = Box::new(move || {
            let _guard = guard;
            let _ = sender.send(());
        });
        let mut ticket = Ticket::default();
        loop {
            let waker = Waker::from(Arc::new(Unpark(shuttle::thread::current())));
            match workers.push(job, Some((&mut ticket, waker))) {
                Ok(()) => {
                    workers.leave_queue(&mut ticket);
                    return !wait || result.recv_blocking().is_ok();
                }
                Err(Refused::Closed) => return false,
                Err(Refused::Full(back)) => job = back,
            }
            shuttle::thread::park();
        }
    }

    fn cores(short_of_threads: bool, wait: bool) {
        explore(short_of_threads, move || {
            let workers = Workers::new(shape(2, 1));
            let drops = Arc::new(AtomicU32::new(0));
            for _ in 0..2 {
                workers.join();
            }
            let cores: Vec<_> = (0..2)
                .map(|_| {
                    let (workers, drops) = (Arc::clone(&workers), Arc::clone(&drops));
                    shuttle::thread::spawn(move || {
                        let ran = (0..3).filter(|_| submit(&workers, &drops, wait)).count();
                        assert!(short_of_threads || ran == 3, "a job was refused or dropped");
                        assert!(workers.leave(LONG));
                    })
                })
                .collect();
            cores.into_iter().for_each(|core| core.join().unwrap());
            assert_eq!(workers.levels().threads, 0);
            assert_eq!(drops.load(Ordering::Relaxed), 6, "a job was lost or dropped twice");
        });
    }

    /// Catches: a job that no thread comes for because the one that was counted as idle was about
    /// to end, a core that waits for room and is not woken, a thread that a leave does not see.
    #[test]
    fn every_job_runs_while_threads_come_and_go() {
        cores(false, true);
    }

    /// Catches: a leave that loses what is queued, or waits for a thread that waits for work.
    #[test]
    fn the_last_core_leaves_while_jobs_are_queued() {
        cores(false, false);
    }

    /// Catches: a job that was queued behind one whose thread could not be started, and that nobody
    /// comes for: its handle would wait for ever.
    #[test]
    fn no_job_is_stranded_when_threads_cannot_be_started() {
        cores(true, true);
    }
}
