//! A model of a provided-buffer ring.
//!
//! The side that publishes buffers is the shipped code; the other side takes them as the kernel
//! does.

use annulus_ring::tail;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use loom::thread;

/// A ring of two buffers, and the tail of the completion queue in which the kernel names what it
/// took. Two words stand for an entry, so that one which is seen half written shows.
struct Buffers {
    tail: AtomicU16,
    entries: [UnsafeCell<(u32, u32)>; 2],
    completed: AtomicU32,
}

/// Indices run freely, so the model begins where they wrap.
const START: u16 = u16::MAX;

impl Buffers {
    fn new() -> Self {
        Self {
            tail: AtomicU16::new(START),
            entries: [UnsafeCell::new((0, 0)), UnsafeCell::new((0, 0))],
            completed: AtomicU32::new(0),
        }
    }

    /// Our side: writes an entry without publishing it.
    fn push(&self, tail: u16, bid: u32) {
        // SAFETY: the place is free: never published, or completed since.
        self.entries[usize::from(tail % 2)].with_mut(|place| unsafe { *place = (bid, !bid) });
    }

    /// Our side: waits until the kernel has completed so many requests.
    fn wait_for(&self, count: u32) {
        while self.completed.load(Ordering::Acquire) < count {
            thread::yield_now();
        }
    }

    /// The kernel's side: takes what is published, up to `count` buffers in all, and completes a
    /// request for each.
    fn take(&self, count: u32) -> Vec<u32> {
        let (mut head, mut taken) = (START, Vec::new());
        while taken.len() < count as usize {
            if head == self.tail.load(Ordering::Acquire) {
                thread::yield_now();
                continue;
            }
            // SAFETY: what is published is the kernel's until it completes a request for it.
            let entry = self.entries[usize::from(head % 2)].with(|place| unsafe { *place });
            assert_eq!(entry.0, !entry.1, "an entry is seen whole");
            taken.push(entry.0);
            head = head.wrapping_add(1);
            self.completed.store(taken.len() as u32, Ordering::Release);
        }
        taken
    }
}

#[test]
fn a_published_buffer_is_seen_whole() {
    loom::model(|| {
        let buffers = Arc::new(Buffers::new());
        let theirs = buffers.clone();
        let kernel = thread::spawn(move || theirs.take(1));
        buffers.push(START, 7);
        tail::publish(&buffers.tail, START.wrapping_add(1));
        assert_eq!(kernel.join().unwrap(), [7]);
    });
}

#[test]
fn a_batch_of_buffers_is_published_by_one_store_across_the_wrap() {
    loom::model(|| {
        let buffers = Arc::new(Buffers::new());
        let theirs = buffers.clone();
        let kernel = thread::spawn(move || theirs.take(2));
        buffers.push(START, 7);
        buffers.push(START.wrapping_add(1), 8);
        tail::publish(&buffers.tail, START.wrapping_add(2));
        assert_eq!(kernel.join().unwrap(), [7, 8]);
    });
}

#[test]
fn a_place_may_be_used_again_once_a_completion_has_named_its_buffer() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let buffers = Arc::new(Buffers::new());
        let theirs = buffers.clone();
        let kernel = thread::spawn(move || theirs.take(3));
        buffers.push(START, 1);
        buffers.push(START.wrapping_add(1), 2);
        tail::publish(&buffers.tail, START.wrapping_add(2));
        buffers.wait_for(1);
        buffers.push(START.wrapping_add(2), 3);
        tail::publish(&buffers.tail, START.wrapping_add(3));
        assert_eq!(kernel.join().unwrap(), [1, 2, 3]);
    });
}

/// The model is worth something only if it finds the fault that it is there for.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_release_the_kernel_reads_an_entry_that_is_being_written() {
    loom::model(|| {
        let buffers = Arc::new(Buffers::new());
        let theirs = buffers.clone();
        let kernel = thread::spawn(move || theirs.take(1));
        buffers.push(START, 7);
        buffers.tail.store(START.wrapping_add(1), Ordering::Relaxed);
        let _ = kernel.join();
    });
}
