//! The kernel's side of both queues, over loom's words and cells.
//!
//! A submission entry is a number. Reading one that is being written, or writing one that is being
//! read, is found by loom; a completion that finds no place panics.

use annulus_ring::abi::{Cqe, CqeFlags};
use annulus_ring::shared::memory::{CqMemory, SqMemory};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The memory of a submission queue.
pub struct SqModel {
    head: AtomicU32,
    tail: AtomicU32,
    pub flags: AtomicU32,
    array: Vec<AtomicU32>,
    entries: Vec<UnsafeCell<u64>>,
}

impl SqModel {
    pub fn new(entries: u32, start: u32) -> Self {
        Self {
            head: AtomicU32::new(start),
            tail: AtomicU32::new(start),
            flags: AtomicU32::new(0),
            array: (0..entries).map(|_| AtomicU32::new(u32::MAX)).collect(),
            entries: (0..entries).map(|_| UnsafeCell::new(0)).collect(),
        }
    }

    /// The kernel consumes what is published. Only one thread at a time does so.
    pub fn consume(&self) -> Vec<u64> {
        let mut head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Acquire);
        let mut seen = Vec::new();
        while head != tail {
            let slot = self.index(head).load(Ordering::Relaxed);
            // SAFETY: what is published is the kernel's until it moves the head; loom checks it.
            seen.push(self.entries[slot as usize].with(|entry| unsafe { *entry }));
            head = head.wrapping_add(1);
        }
        self.head.store(head, Ordering::Release);
        seen
    }
}

impl SqMemory for SqModel {
    type Word = AtomicU32;
    type Entry = u64;

    fn entries(&self) -> u32 {
        self.entries.len() as u32
    }

    fn head(&self) -> &AtomicU32 {
        &self.head
    }

    fn tail(&self) -> &AtomicU32 {
        &self.tail
    }

    fn flags(&self) -> &AtomicU32 {
        &self.flags
    }

    fn index(&self, position: u32) -> &AtomicU32 {
        &self.array[(position & (self.entries() - 1)) as usize]
    }

    unsafe fn write(&self, slot: u32, entry: &u64) {
        // SAFETY: the caller has the slot; loom checks it.
        self.entries[slot as usize].with_mut(|place| unsafe { *place = *entry });
    }
}

/// The memory of a completion queue.
pub struct CqModel {
    head: AtomicU32,
    tail: AtomicU32,
    entries: Vec<[AtomicU64; 2]>,
}

impl CqModel {
    pub fn new(entries: u32, start: u32) -> Self {
        Self {
            head: AtomicU32::new(start),
            tail: AtomicU32::new(start),
            entries: (0..entries).map(|_| [AtomicU64::new(0), AtomicU64::new(0)]).collect(),
        }
    }

    /// Whether the kernel has a place for a completion.
    pub fn has_place(&self) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        tail.wrapping_sub(self.head.load(Ordering::Acquire)) < self.entries.len() as u32
    }

    /// The kernel posts a completion. Only one thread at a time does so.
    pub fn post(&self, user_data: u64) {
        assert!(self.has_place(), "the completion queue overflows");
        let tail = self.tail.load(Ordering::Relaxed);
        let entry = &self.entries[tail as usize % self.entries.len()];
        entry[0].store(user_data, Ordering::Relaxed);
        entry[1].store(user_data, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
    }
}

/// A completion that was read whole has the same number twice.
pub fn whole(cqe: &Cqe) -> u64 {
    assert_eq!(cqe.res as u64, cqe.user_data, "a completion is torn");
    cqe.user_data
}

impl CqMemory for CqModel {
    type Word = AtomicU32;

    fn entries(&self) -> u32 {
        self.entries.len() as u32
    }

    fn head(&self) -> &AtomicU32 {
        &self.head
    }

    fn tail(&self) -> &AtomicU32 {
        &self.tail
    }

    fn move_head(&self, from: u32, to: u32) -> bool {
        self.head.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    fn read(&self, position: u32) -> Cqe {
        let entry = &self.entries[position as usize % self.entries.len()];
        let user_data = entry[0].load(Ordering::Relaxed);
        let res = entry[1].load(Ordering::Relaxed) as i32;
        Cqe { user_data, res, flags: CqeFlags::EMPTY }
    }
}
