//! What the answers of one connection hold in memory, and when each of them moved last.
//!
//! Owns: the bounds, and who waits for room. Does not own: the bytes' way to the client (hyper).
//!
//! ```text
//!   read from a file: charged ──> given to hyper ──> written to the socket: given back
//!                       ^                              │ who waits for room is woken,
//!                       └── room ──────────────────────┘ the answer has moved
//! ```
//!
//! Invariants: an answer that holds nothing may always take a piece, so one whose client reads it
//! goes on whatever the client does with the others; further pieces come out of what the connection
//! has for all of them. So a connection holds at most [`CONNECTION_BYTES`] and a piece for each of
//! its streams; and one listing, which is made at once, and only while no more than that is held.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use annulus::time::Instant;

use crate::serve::counts::Counts;

/// What a connection may hold besides the first piece of each answer.
pub const CONNECTION_BYTES: usize = 256 * 1024;

/// What all answers of a connection hold.
///
/// Pieces of answers cross into `Bytes`, which may be dropped on any thread as far as its type
/// goes; so the numbers are atomic and the wakers behind a lock, though one thread uses them.
pub struct Held {
    bytes: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
    counts: Arc<Counts>,
}

impl Held {
    /// Nothing is held yet.
    pub fn new(counts: Arc<Counts>) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), waiting: Mutex::default(), counts })
    }

    /// How much it is.
    pub fn bytes(&self) -> usize {
        // ORDERING: Relaxed; a number of one thread.
        self.bytes.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: usize) {
        // ORDERING: Relaxed; as above.
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.counts.http2_held_bytes.add(bytes as u64);
    }

    fn give_back(&self, bytes: usize) {
        // ORDERING: Relaxed; as above.
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.counts.http2_held_bytes.subtract(bytes as u64);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// One answer.
pub struct Answer {
    held: Arc<Held>,
    own: AtomicUsize,
    moved: Mutex<Instant>,
}

impl Answer {
    /// An answer that begins now.
    pub fn new(held: Arc<Held>) -> Arc<Self> {
        let moved = Mutex::new(Instant::now());
        Arc::new(Self { held, own: AtomicUsize::new(0), moved })
    }

    /// It moves: the client takes of it.
    pub fn moves(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When it moved last.
    pub fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a piece, once there is room for it.
    pub fn poll_charge(self: &Arc<Self>, bytes: usize, context: &mut Context<'_>) -> Poll<Charge> {
        // ORDERING: Relaxed; as above.
        let first = self.own.load(Ordering::Relaxed) == 0;
        if !first && self.held.bytes() + bytes > CONNECTION_BYTES {
            let mut waiting = self.held.waiting();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(self.charge(bytes))
    }

    /// Charges what is there already.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        // ORDERING: Relaxed; as above.
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.held.take(bytes);
        Charge { answer: self.clone(), bytes }
    }
}

/// What is held; given back when dropped.
pub struct Charge {
    answer: Arc<Answer>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        // ORDERING: Relaxed; as above.
        self.answer.own.fetch_sub(self.bytes, Ordering::Relaxed);
        self.answer.moves();
        self.answer.held.give_back(self.bytes);
    }
}

/// Bytes of an answer, held until the last part of them is written.
pub struct Piece {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl Piece {
    /// Bytes, and what they are charged with.
    pub fn new(bytes: Vec<u8>, charge: Charge) -> Self {
        Self { bytes, _charge: charge }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The answers of a connection that are not with the kernel to the end.
#[derive(Default)]
pub struct Answers {
    all: Vec<Weak<Answer>>,
}

impl Answers {
    /// One more.
    pub fn add(&mut self, answer: &Arc<Answer>) {
        if self.all.len() == self.all.capacity() {
            self.all.retain(|answer| answer.strong_count() > 0);
        }
        self.all.push(Arc::downgrade(answer));
    }

    /// When the one that is still for longest moved last; `None` without any.
    pub fn oldest(&mut self) -> Option<Instant> {
        self.all.retain(|answer| answer.strong_count() > 0);
        self.all.iter().filter_map(Weak::upgrade).map(|answer| answer.moved()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 32 * 1024;

    fn charged(answer: &Arc<Answer>) -> Option<Charge> {
        match answer.poll_charge(PIECE, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(charge) => Some(charge),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_connection_holds_no_more_than_its_bytes_and_a_piece_for_each_answer() {
        let held = Held::new(Arc::default());
        let answers: Vec<_> = (0..64).map(|_| Answer::new(held.clone())).collect();
        let mut charges = Vec::new();
        for _ in 0..4 {
            charges.extend(answers.iter().filter_map(charged));
        }
        assert!(charges.len() >= answers.len(), "each has a piece");
        assert!(held.bytes() <= CONNECTION_BYTES + answers.len() * PIECE, "{}", held.bytes());
        assert_eq!(held.counts.http2_held_bytes.now(), held.bytes() as u64);
        drop(charges);
        assert_eq!((held.bytes(), held.counts.http2_held_bytes.now()), (0, 0));
    }

    #[test]
    fn an_answer_that_waits_for_room_is_woken_by_what_others_give_back() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                // ORDERING: Relaxed; one thread.
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let held = Held::new(Arc::default());
        let (hoarder, other) = (Answer::new(held.clone()), Answer::new(held.clone()));
        let mut charges: Vec<Charge> = std::iter::from_fn(|| charged(&hoarder)).collect();
        assert_eq!(charges.len(), CONNECTION_BYTES / PIECE);
        let first = charged(&other).expect("the first piece is always there");
        let flag = Arc::new(Flag(false.into()));
        let waker = Waker::from(flag.clone());
        assert!(other.poll_charge(PIECE, &mut Context::from_waker(&waker)).is_pending());
        charges.truncate(charges.len() - 2);
        // ORDERING: Relaxed; one thread.
        assert!(flag.0.load(Ordering::Relaxed), "nobody was woken");
        assert!(charged(&other).is_some());
        drop(first);
    }

    #[test]
    fn answers_are_known_for_as_long_as_a_piece_of_them_is_held() {
        let held = Held::new(Arc::default());
        let mut answers = Answers::default();
        assert_eq!(answers.oldest(), None);
        let answer = Answer::new(held);
        answers.add(&answer);
        let charge = answer.charge(10);
        let began = answer.moved();
        drop(answer);
        assert_eq!(answers.oldest(), Some(began));
        drop(charge);
        assert_eq!(answers.oldest(), None);
    }
}
