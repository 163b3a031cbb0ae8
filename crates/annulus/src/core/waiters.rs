//! First-in first-out queues of futures that wait for something of a record.
//!
//! Owns: the waiters' wakers and links. Does not own: what they wait for. Invariants: a waiter is
//! in exactly one queue; only the first of a queue may take what the queue is for, so nobody
//! overtakes; a dropped waiter leaves the queue and hands its wake-up on.

use std::task::Waker;

use annulus_task::{TaskId, task_of};

use super::key::{Key, NONE, next_generation};

/// One direction of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    head: u32,
    tail: u32,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self { head: NONE, tail: NONE };

    pub(crate) fn is_empty(self) -> bool {
        self.head == NONE
    }
}

struct Waiter {
    generation: u32,
    next: u32,
    live: bool,
    waker: Option<Waker>,
}

/// The waiters of all queues of a core.
pub(crate) struct Waiters {
    waiters: Vec<Waiter>,
    free: u32,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { waiters: Vec::new(), free: NONE }
    }

    /// Appends a waiter, or renews the waker of one that is already queued. What is left in `waker`
    /// is to be dropped when nothing of the core is borrowed.
    pub(crate) fn wait(
        &mut self,
        queue: &mut Queue,
        key: &mut Option<Key>,
        waker: &mut Option<Waker>,
    ) {
        if let Some(waiter) = key.and_then(|key| self.get(key)) {
            std::mem::swap(&mut waiter.waker, waker);
            return;
        }
        let index = self.take_free();
        let waiter = &mut self.waiters[index as usize];
        waiter.next = NONE;
        waiter.live = true;
        waiter.waker = waker.take();
        *key = Some(Key { index, generation: waiter.generation });
        if queue.tail == NONE {
            queue.head = index;
        } else {
            self.waiters[queue.tail as usize].next = index;
        }
        queue.tail = index;
    }

    /// Whether this future may take what the queue is for: it is the first, or not queued and
    /// nobody else is.
    pub(crate) fn may_take(&self, queue: Queue, key: Option<Key>) -> bool {
        match key {
            Some(key) => queue.head == key.index,
            None => queue.is_empty(),
        }
    }

    /// Takes the waker of the first waiter, if it has not been taken already.
    pub(crate) fn first(&mut self, queue: Queue) -> Option<Waker> {
        if queue.is_empty() {
            return None;
        }
        self.waiters[queue.head as usize].waker.take()
    }

    /// Takes the waker of the first waiter that has one.
    pub(crate) fn any(&mut self, queue: Queue) -> Option<Waker> {
        let mut index = queue.head;
        while index != NONE {
            let waiter = &mut self.waiters[index as usize];
            if let Some(waker) = waiter.waker.take() {
                return Some(waker);
            }
            index = waiter.next;
        }
        None
    }

    /// The tasks that wait in a queue and were not woken.
    pub(crate) fn tasks(&self, queue: Queue) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        let mut index = queue.head;
        while index != NONE {
            let waiter = &self.waiters[index as usize];
            tasks.extend(waiter.waker.as_ref().and_then(task_of));
            index = waiter.next;
        }
        tasks
    }

    /// Frees a waiter whose queue is gone with its record. Gives its waker.
    pub(crate) fn abandon(&mut self, key: Key) -> Option<Waker> {
        self.get(key)?;
        self.release(key.index)
    }

    /// Removes a waiter wherever it stands. The first value is true if it was the first and others
    /// follow: the caller wakes the next if there is something to take. The second is its waker, to
    /// be dropped when nothing of the core is borrowed.
    pub(crate) fn leave(&mut self, queue: &mut Queue, key: Key) -> (bool, Option<Waker>) {
        if self.get(key).is_none() {
            return (false, None);
        }
        let next = self.waiters[key.index as usize].next;
        let was_first = queue.head == key.index;
        if was_first {
            queue.head = next;
            if next == NONE {
                queue.tail = NONE;
            }
        } else {
            let mut before = queue.head;
            while self.waiters[before as usize].next != key.index {
                before = self.waiters[before as usize].next;
            }
            self.waiters[before as usize].next = next;
            if queue.tail == key.index {
                queue.tail = before;
            }
        }
        let waker = self.release(key.index);
        (was_first && !queue.is_empty(), waker)
    }

    fn get(&mut self, key: Key) -> Option<&mut Waiter> {
        self.waiters
            .get_mut(key.index as usize)
            .filter(|waiter| waiter.live && waiter.generation == key.generation)
    }

    fn take_free(&mut self) -> u32 {
        if self.free == NONE {
            let index = self.waiters.len() as u32;
            self.waiters.push(Waiter { generation: 0, next: NONE, live: false, waker: None });
            return index;
        }
        let index = self.free;
        self.free = self.waiters[index as usize].next;
        index
    }

    fn release(&mut self, index: u32) -> Option<Waker> {
        let free = self.free;
        let waiter = &mut self.waiters[index as usize];
        waiter.generation = next_generation(waiter.generation);
        waiter.live = false;
        waiter.next = free;
        self.free = index;
        waiter.waker.take()
    }
}

#[cfg(test)]
mod tests;
