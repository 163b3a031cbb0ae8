//! First-in first-out queues of futures that wait for something of a record.
//!
//! Owns: who waits, and the links. Does not own: what they wait for. Invariants: a waiter is
//! in exactly one queue; only the first of a queue may take what the queue is for, so nobody
//! overtakes; a dropped waiter leaves the queue and hands its wake-up on.

use annulus_task::{RunQueue, TaskId, Waiter};

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

struct Entry {
    generation: u32,
    next: u32,
    live: bool,
    /// Nobody if it was woken and has not been polled since.
    who: Waiter,
}

/// The waiters of all queues of a core.
pub(crate) struct Waiters {
    waiters: Vec<Entry>,
    free: u32,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { waiters: Vec::new(), free: NONE }
    }

    /// Appends a waiter, or notes who waits now for one that is already queued. What is left in
    /// `who` is to be dropped when nothing of the core is borrowed.
    pub(crate) fn wait(&mut self, queue: &mut Queue, key: &mut Option<Key>, who: &mut Waiter) {
        if let Some(waiter) = key.and_then(|key| self.get(key)) {
            std::mem::swap(&mut waiter.who, who);
            return;
        }
        let index = self.take_free();
        let waiter = &mut self.waiters[index as usize];
        waiter.next = NONE;
        waiter.live = true;
        waiter.who = std::mem::take(who);
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

    /// Takes who waits first: nobody if it has been taken already.
    pub(crate) fn first(&mut self, queue: Queue) -> Waiter {
        if queue.is_empty() {
            return Waiter::default();
        }
        std::mem::take(&mut self.waiters[queue.head as usize].who)
    }

    /// Takes the first that was not taken already: nobody if there is none.
    pub(crate) fn any(&mut self, queue: Queue) -> Waiter {
        let mut index = queue.head;
        while index != NONE {
            let waiter = &mut self.waiters[index as usize];
            if !waiter.who.is_none() {
                return std::mem::take(&mut waiter.who);
            }
            index = waiter.next;
        }
        Waiter::default()
    }

    /// The tasks that wait in a queue and were not woken, for people.
    pub(crate) fn tasks(&self, queue: Queue, of: &RunQueue) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        let mut index = queue.head;
        while index != NONE {
            let waiter = &self.waiters[index as usize];
            // SAFETY: who waits was noted by this core's executor, whose queue this is; a core is
            // looked at while that lives.
            tasks.extend(unsafe { of.task_of(&waiter.who) });
            index = waiter.next;
        }
        tasks
    }

    /// Frees a waiter whose queue is gone with its record. Gives who it was.
    pub(crate) fn abandon(&mut self, key: Key) -> Waiter {
        match self.get(key) {
            Some(_) => self.release(key.index),
            None => Waiter::default(),
        }
    }

    /// Removes a waiter wherever it stands. The first value is true if it was the first and others
    /// follow: the caller wakes the next if there is something to take. The second is who it
    /// was, to be dropped when nothing of the core is borrowed.
    pub(crate) fn leave(&mut self, queue: &mut Queue, key: Key) -> (bool, Waiter) {
        if self.get(key).is_none() {
            return (false, Waiter::default());
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
        let who = self.release(key.index);
        (was_first && !queue.is_empty(), who)
    }

    /// Whether this future may take and be done: nobody waits, or it alone does and was woken, so
    /// that there is nobody to drop. Then it leaves the queue.
    #[inline]
    pub(crate) fn leave_alone(&mut self, queue: &mut Queue, key: &mut Option<Key>) -> bool {
        let Some(Key { index, .. }) = *key else {
            return queue.is_empty();
        };
        let is_alone = queue.head == index && queue.tail == index;
        if !is_alone || !self.waiters[index as usize].who.is_none() {
            return false;
        }
        *queue = Queue::EMPTY;
        *key = None;
        self.release(index);
        true
    }

    fn get(&mut self, key: Key) -> Option<&mut Entry> {
        self.waiters
            .get_mut(key.index as usize)
            .filter(|waiter| waiter.live && waiter.generation == key.generation)
    }

    fn take_free(&mut self) -> u32 {
        if self.free == NONE {
            let index = self.waiters.len() as u32;
            let who = Waiter::default();
            self.waiters.push(Entry { generation: 0, next: NONE, live: false, who });
            return index;
        }
        let index = self.free;
        self.free = self.waiters[index as usize].next;
        index
    }

    #[inline]
    fn release(&mut self, index: u32) -> Waiter {
        let free = self.free;
        let waiter = &mut self.waiters[index as usize];
        waiter.generation = next_generation(waiter.generation);
        waiter.live = false;
        waiter.next = free;
        self.free = index;
        std::mem::take(&mut waiter.who)
    }
}

#[cfg(test)]
mod tests;
