//! One thread of ours and the kernel, at both queues of a plain ring. The queues have one place, so
//! every entry is written where the one before it was read.

use std::array;

use annulus_ring::{handover, wakeup};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// Close before the wrap.
const START: u32 = u32::MAX;

struct Queue {
    head: AtomicU32,
    tail: AtomicU32,
    entries: [UnsafeCell<u32>; 1],
}

impl Queue {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            head: AtomicU32::new(START),
            tail: AtomicU32::new(START),
            entries: array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    fn at(&self, position: u32) -> &UnsafeCell<u32> {
        &self.entries[position as usize % self.entries.len()]
    }

    fn write(&self, position: u32, entry: u32) {
        // SAFETY: the place is this side's; loom checks it.
        self.at(position).with_mut(|place| unsafe { *place = entry });
    }

    fn read(&self, position: u32) -> u32 {
        // SAFETY: as above.
        self.at(position).with(|place| unsafe { *place })
    }
}

#[test]
fn a_submission_is_read_whole_and_overwritten_only_afterwards() {
    loom::model(|| {
        let queue = Queue::new();
        let theirs = queue.clone();
        let kernel = thread::spawn(move || {
            let mut seen = Vec::new();
            let mut head = START;
            while seen.len() < 2 {
                if theirs.tail.load(Ordering::Acquire) == head {
                    thread::yield_now();
                    continue;
                }
                seen.push(theirs.read(head));
                head = head.wrapping_add(1);
                theirs.head.store(head, Ordering::Release);
            }
            seen
        });
        let mut tail = START;
        for entry in [1, 2] {
            while tail.wrapping_sub(handover::consumed(&queue.head)) == 1 {
                thread::yield_now();
            }
            queue.write(tail, entry);
            tail = tail.wrapping_add(1);
            wakeup::publish(&queue.tail, tail);
        }
        assert_eq!(kernel.join().unwrap(), [1, 2]);
    });
}

#[test]
fn a_completion_is_read_whole_and_overwritten_only_afterwards() {
    loom::model(|| {
        let queue = Queue::new();
        let theirs = queue.clone();
        let kernel = thread::spawn(move || {
            let mut tail = START;
            for entry in [1, 2] {
                while tail.wrapping_sub(theirs.head.load(Ordering::Acquire)) == 1 {
                    thread::yield_now();
                }
                theirs.write(tail, entry);
                tail = tail.wrapping_add(1);
                theirs.tail.store(tail, Ordering::Release);
            }
        });
        let mut seen = Vec::new();
        let mut head = START;
        while seen.len() < 2 {
            if handover::posted(&queue.tail) == head {
                thread::yield_now();
                continue;
            }
            seen.push(queue.read(head));
            head = head.wrapping_add(1);
            handover::reaped(&queue.head, head);
        }
        kernel.join().unwrap();
        assert_eq!(seen, [1, 2]);
    });
}
