//! What is counted of requests and answers, core by core.
//!
//! Owns the numbers. Does not own: those of connections (`annulus::serve`) and of rings
//! (`annulus::runtime`), nor how they are shown (`metrics`). Invariant: the thread of a core writes
//! its numbers, any thread reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A counter that one thread writes, so that counting is no locked instruction.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// So many more.
    pub fn add(&self, more: u64) {
        // ORDERING: Relaxed, pairs with the load in `now`; nothing is read because of it.
        let before = self.0.load(Ordering::Relaxed);
        // ORDERING: Relaxed; as above. No other thread writes.
        self.0.store(before.wrapping_add(more), Ordering::Relaxed);
    }

    /// The number.
    pub fn now(&self) -> u64 {
        // ORDERING: Relaxed, pairs with the store in `add`.
        self.0.load(Ordering::Relaxed)
    }
}

/// A level that any thread may change.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// So many more.
    pub fn add(&self, more: u64) {
        // ORDERING: Relaxed, pairs with the load in `now`; nothing is read because of it.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So many fewer.
    pub fn subtract(&self, fewer: u64) {
        // ORDERING: Relaxed; as above.
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// The number.
    pub fn now(&self) -> u64 {
        // ORDERING: Relaxed, pairs with both above.
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of one core.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counts {
    /// Requests that were answered, by the first digit of the status less one.
    pub answers: [Count; 5],
    /// Bytes of answers that the kernel took, heads and content, before TLS; of HTTP/2 the content.
    pub sent_bytes: Count,
    /// Connections that were ended because the client took nothing of an answer for too long.
    pub stuck: Count,
    /// Clients that were too slow with the head of a request.
    pub slow: Count,
    /// Handshakes of TLS that succeeded.
    pub handshakes: Count,
    /// Handshakes of TLS that failed, or took too long.
    pub handshakes_failed: Count,
    /// Connections of HTTP/2.
    pub http2: Count,
    /// Bytes of answers that connections of HTTP/2 hold in memory.
    pub http2_held_bytes: Level,
}

impl Counts {
    /// A request was answered with this status.
    pub fn answer(&self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.answers.get(class) {
            count.add(1);
        }
    }
}

/// The numbers of all cores that have started, by index.
#[derive(Debug, Default)]
pub struct Board {
    cores: Mutex<Vec<(usize, Arc<Counts>)>>,
}

impl Board {
    /// The numbers of a core, made at first use.
    pub fn of(&self, core: usize) -> Arc<Counts> {
        let mut cores = self.lock();
        if let Some((_, counts)) = cores.iter().find(|(index, _)| *index == core) {
            return counts.clone();
        }
        let counts = Arc::new(Counts::default());
        cores.push((core, counts.clone()));
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Arc<Counts>)>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_the_class_of_their_status() {
        let counts = Counts::default();
        for status in [200, 206, 304, 404, 431, 503, 99, 700] {
            counts.answer(status);
        }
        assert_eq!(counts.answers.each_ref().map(Count::now), [0, 2, 1, 2, 1]);
    }

    #[test]
    fn the_numbers_of_a_core_are_the_same_for_whoever_asks() {
        let board = Board::default();
        board.of(1).sent_bytes.add(7);
        board.of(0).http2_held_bytes.add(5);
        board.of(0).http2_held_bytes.subtract(2);
        assert_eq!((board.of(1).sent_bytes.now(), board.of(0).sent_bytes.now()), (7, 0));
        assert_eq!(board.of(0).http2_held_bytes.now(), 3);
    }
}
