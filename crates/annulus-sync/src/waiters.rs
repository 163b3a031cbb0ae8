//! A first-in first-out queue of those that wait, from which anybody can leave at any time.
//!
//! Owns: places and their order. Does not own: what is waited for. Invariants: a ticket names its
//! place until it is given back with [`Queue::remove`], also after the place was served; every step
//! takes constant time; memory is reused, so a queue in steady state does not allocate.

const NONE: u32 = u32::MAX;

/// A place in the queue. Whoever holds it gives it back, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u32);

struct Place<T> {
    /// None: the place is free, and `next` is the next free one.
    waiter: Option<T>,
    before: u32,
    next: u32,
    queued: bool,
}

/// The queue.
pub(crate) struct Queue<T> {
    places: Vec<Place<T>>,
    free: u32,
    head: u32,
    tail: u32,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: NONE, head: NONE, tail: NONE }
    }

    /// Nobody waits. Those that were served and have not left yet do not count.
    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    /// Appends a waiter.
    pub(crate) fn push(&mut self, waiter: T) -> Ticket {
        let place = Place { waiter: Some(waiter), before: self.tail, next: NONE, queued: true };
        let index = if self.free == NONE {
            self.places.push(place);
            self.places.len() as u32 - 1
        } else {
            let index = self.free;
            self.free = self.places[index as usize].next;
            self.places[index as usize] = place;
            index
        };
        match self.tail {
            NONE => self.head = index,
            tail => self.places[tail as usize].next = index,
        }
        self.tail = index;
        Ticket(index)
    }

    /// The waiter of a ticket.
    pub(crate) fn at(&mut self, ticket: Ticket) -> &mut T {
        let waiter = self.places[ticket.0 as usize].waiter.as_mut();
        waiter.expect("a ticket names a place until it is given back")
    }

    /// The first of those that wait.
    #[cfg(not(loom))]
    pub(crate) fn first(&mut self) -> Option<&mut T> {
        let head = self.places.get_mut(self.head as usize)?;
        head.waiter.as_mut()
    }

    /// Serves the first: it leaves the queue, and its place stays until its ticket comes back.
    pub(crate) fn serve(&mut self) -> Option<&mut T> {
        let index = self.head;
        if index == NONE {
            return None;
        }
        self.unlink(index);
        self.places[index as usize].waiter.as_mut()
    }

    /// Gives a ticket back. The waiter leaves the queue, wherever it stands.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> T {
        if self.places[ticket.0 as usize].queued {
            self.unlink(ticket.0);
        }
        let place = &mut self.places[ticket.0 as usize];
        place.next = self.free;
        self.free = ticket.0;
        place.waiter.take().expect("a ticket is given back once")
    }

    fn unlink(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        place.queued = false;
        let (before, next) = (place.before, place.next);
        match before {
            NONE => self.head = next,
            before => self.places[before as usize].next = next,
        }
        match next {
            NONE => self.tail = before,
            next => self.places[next as usize].before = before,
        }
    }
}

#[cfg(test)]
mod tests;
