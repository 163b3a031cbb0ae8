//! A model of the submission thread.
//!
//! The side that publishes and asks is the shipped code; the thread does what io_sq_thread() does.
//! A wake that is lost shows as a deadlock, which loom reports.

use annulus_ring::abi::SqFlags;
use annulus_ring::wakeup;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// The shared half of a submission queue of two entries, and where the thread sleeps.
struct Queue {
    head: AtomicU32,
    tail: AtomicU32,
    flags: AtomicU32,
    entries: [UnsafeCell<u32>; 2],
    /// Wakes that were sent and not slept for.
    woken: Mutex<bool>,
    wakes: Condvar,
}

impl Queue {
    fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            entries: [UnsafeCell::new(0), UnsafeCell::new(0)],
            woken: Mutex::new(false),
            wakes: Condvar::new(),
        }
    }

    /// Our side: writes an entry at the tail and publishes it.
    fn push(&self, tail: u32, entry: u32) {
        // SAFETY: the kernel does not touch what is not published.
        self.entries[tail as usize % 2].with_mut(|place| unsafe { *place = entry });
        wakeup::publish(&self.tail, tail + 1);
    }

    /// Our side: what enter(SQ_WAKEUP) does.
    fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.wakes.notify_one();
    }

    /// The thread's side: consumes what is published.
    fn consume(&self, seen: &mut Vec<u32>) {
        let mut head = self.head.load(Ordering::Relaxed);
        while head != self.tail.load(Ordering::Acquire) {
            // SAFETY: what is published is the thread's until it moves the head.
            seen.push(self.entries[head as usize % 2].with(|place| unsafe { *place }));
            head += 1;
            self.head.store(head, Ordering::Release);
        }
    }

    /// The thread's side: says that it sleeps, and whether it may.
    fn falls_asleep(&self) -> bool {
        self.flags.fetch_or(SqFlags::NEED_WAKEUP.0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Relaxed)
    }

    /// The thread's side: sleeps if there is nothing.
    fn sleep(&self) {
        if self.falls_asleep() {
            let mut woken = self.woken.lock().unwrap();
            while !*woken {
                woken = self.wakes.wait(woken).unwrap();
            }
            *woken = false;
        }
        self.flags.fetch_and(!SqFlags::NEED_WAKEUP.0, Ordering::Relaxed);
    }

    /// The thread, until it has seen so many entries.
    fn run(&self, count: usize) -> Vec<u32> {
        let mut seen = Vec::new();
        loop {
            self.consume(&mut seen);
            if seen.len() == count {
                return seen;
            }
            self.sleep();
        }
    }
}

#[test]
fn no_published_entry_is_slept_over() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let theirs = queue.clone();
        let thread = thread::spawn(move || theirs.run(1));
        queue.push(0, 7);
        if wakeup::is_needed(&queue.flags) {
            queue.wake();
        }
        assert_eq!(thread.join().unwrap(), [7]);
    });
}

#[test]
fn each_of_two_submissions_finds_the_thread_awake_or_wakes_it() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let theirs = queue.clone();
        let thread = thread::spawn(move || theirs.run(2));
        for entry in 0..2 {
            queue.push(entry, 7 + entry);
            if wakeup::is_needed(&queue.flags) {
                queue.wake();
            }
        }
        assert_eq!(thread.join().unwrap(), [7, 8]);
    });
}

#[test]
fn an_entry_may_be_overwritten_once_the_head_has_passed_it() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let queue = Arc::new(Queue::new());
        let theirs = queue.clone();
        let thread = thread::spawn(move || theirs.run(3));
        queue.push(0, 1);
        queue.push(1, 2);
        if wakeup::is_needed(&queue.flags) {
            queue.wake();
        }
        while queue.head.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        queue.push(2, 3);
        if wakeup::is_needed(&queue.flags) {
            queue.wake();
        }
        assert_eq!(thread.join().unwrap(), [1, 2, 3]);
    });
}

/// The model is worth something only if it finds the fault that it is there for.
#[test]
#[should_panic(expected = "an entry is slept over")]
fn without_the_fence_the_thread_sleeps_over_an_entry() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let theirs = queue.clone();
        let thread = thread::spawn(move || theirs.falls_asleep());
        queue.push(0, 7);
        let wakes = queue.flags.load(Ordering::Relaxed) & SqFlags::NEED_WAKEUP.0 != 0;
        assert!(!thread.join().unwrap() || wakes, "an entry is slept over");
    });
}
