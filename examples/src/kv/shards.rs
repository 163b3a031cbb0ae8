//! The cores and their shards: whose a key is, and how work gets there.
//!
//! ```text
//!   core 0: shard 0, connections ──parcel──> core 1: shard 1, connections
//!                ^─────────the same parcel, with answers────────'
//! ```
//!
//! Owns: what a core knows of itself and of the others, the parcels that cross, and the numbers
//! that `INFO` shows. Does not own: what is done to a shard (`keys`). Invariants: a shard is
//! touched by its own core only; a parcel is answered whole, in the order in which it was filled.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use annulus::sync::cross::{Receiver, Sender};
use foldhash::fast::RandomState;

use super::command::Verb;
use super::keys::{self, Work};
use super::parser::{Args, Limits, Span};
use super::reply::Protocol;
use super::store::{Now, Store, hash};

/// A core's place among the others.
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) store: RefCell<Store>,
    pub(super) hasher: RandomState,
    /// The inboxes of all cores.
    pub(super) mail: Vec<Sender<Box<Parcel>>>,
    pub(super) board: Arc<Board>,
    /// Wakes whoever waits for keys to expire.
    pub(super) expiring: annulus::sync::Notify,
    /// Empty buffers for answers.
    pub(super) spare: RefCell<Vec<Vec<u8>>>,
    pub(super) limits: Limits,
}

impl Place {
    pub(super) fn shards(&self) -> usize {
        self.mail.len()
    }

    /// Which shard a key is in. Other bits of the hash say where it is in there.
    pub(super) fn shard_of(&self, key: &[u8]) -> usize {
        let middle = (hash(&self.hasher, key) >> 20) as u32;
        ((u64::from(middle) * self.shards() as u64) >> 32) as usize
    }

    /// Has others see what became of this shard.
    pub(super) fn publish(&self, commands: u64) {
        let (keys, expiring) = {
            let store = self.store.borrow();
            (store.len() as u64, store.expiring() as u64)
        };
        let core = &self.board.cores[self.index];
        // ORDERING: Relaxed, all of it; numbers for people, which guard nothing, and which no
        // other core writes.
        core.keys.store(keys, Ordering::Relaxed);
        let before = core.expiring.load(Ordering::Relaxed);
        // ORDERING: as above.
        core.expiring.store(expiring, Ordering::Relaxed);
        let done = core.commands.load(Ordering::Relaxed);
        // ORDERING: as above.
        core.commands.store(done + commands, Ordering::Relaxed);
        if before == 0 && expiring > 0 {
            self.expiring.notify_one();
        }
    }
}

/// Numbers of all cores, for `INFO`.
pub(super) struct Board {
    pub(super) cores: Vec<Numbers>,
    pub(super) began: Instant,
    pub(super) port: u16,
    next_client: AtomicU64,
}

/// Numbers of a core.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) keys: AtomicU64,
    pub(super) expiring: AtomicU64,
    pub(super) commands: AtomicU64,
    pub(super) connected: AtomicU64,
    pub(super) accepted: AtomicU64,
}

impl Board {
    pub(super) fn new(cores: usize, port: u16) -> Self {
        let cores = (0..cores).map(|_| Numbers::default()).collect();
        Self { cores, began: Instant::now(), port, next_client: AtomicU64::new(1) }
    }

    pub(super) fn next_client(&self) -> u64 {
        // ORDERING: Relaxed; only that numbers differ matters.
        self.next_client.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn sum(&self, of: impl Fn(&Numbers) -> &AtomicU64) -> u64 {
        // ORDERING: Relaxed; numbers for people.
        self.cores.iter().map(|core| of(core).load(Ordering::Relaxed)).sum()
    }
}

/// A command for another shard.
struct Ask {
    verb: Verb,
    protocol: Protocol,
    /// Its arguments: from which span to which.
    spans: (usize, usize),
    /// Where its answer ends.
    answered: usize,
}

/// Commands for one shard, and then their answers. Those come in portions: a parcel goes back and
/// forth until all its commands are answered, and on the way home it carries so many bytes of
/// answers, and the one that went beyond.
pub(super) struct Parcel {
    shard: usize,
    home: Sender<Box<Self>>,
    asks: Vec<Ask>,
    spans: Vec<Span>,
    bytes: Vec<u8>,
    /// Commands that are answered.
    done: usize,
    /// Commands whose answers are used.
    used: usize,
    answers: Vec<u8>,
    /// Bytes of answers that were used, and are in `answers` no more.
    forgotten: usize,
}

/// Buffers of a parcel that are kept for the next.
const KEPT_BYTES: usize = 64 * 1024;
/// Bytes of answers that a parcel carries.
const ANSWERS_BYTES: usize = 256 * 1024;

impl Parcel {
    pub(super) fn new(shard: usize, home: Sender<Box<Self>>) -> Self {
        Self {
            shard,
            home,
            asks: Vec::new(),
            spans: Vec::new(),
            bytes: Vec::new(),
            done: 0,
            used: 0,
            answers: Vec::new(),
            forgotten: 0,
        }
    }

    pub(super) fn shard(&self) -> usize {
        self.shard
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a command; gives its number.
    pub(super) fn add(&mut self, verb: Verb, args: Args<'_>, protocol: Protocol) -> usize {
        let first = self.spans.len();
        for arg in args.rest(0) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(arg);
            self.spans.push(Span { start, end: self.bytes.len() });
        }
        self.asks.push(Ask { verb, protocol, spans: (first, self.spans.len()), answered: 0 });
        self.asks.len() - 1
    }

    /// The answer to command number `ask`, if it has come.
    pub(super) fn answer(&self, ask: usize) -> Option<&[u8]> {
        if ask >= self.done {
            return None;
        }
        let begin = ask.checked_sub(1).map_or(0, |before| self.asks[before].answered);
        let end = self.asks[ask].answered;
        Some(&self.answers[begin - self.forgotten..end - self.forgotten])
    }

    /// The answers up to that of command number `ask` are used.
    pub(super) fn use_up(&mut self, ask: usize) {
        self.used = self.used.max(ask + 1);
    }

    /// Whether it is to go to its shard, again or for the first time: there are commands without
    /// an answer, and room for more answers.
    fn is_to_go(&mut self) -> bool {
        if let Some(last) = self.used.checked_sub(1) {
            let until = self.asks[last].answered;
            self.answers.drain(..until - self.forgotten);
            self.forgotten = until;
        }
        self.done < self.asks.len() && self.answers.len() < ANSWERS_BYTES
    }

    /// Makes room for the next commands.
    pub(super) fn clear(&mut self) {
        self.asks.clear();
        self.spans.clear();
        (self.done, self.used, self.forgotten) = (0, 0, 0);
        for buffer in [&mut self.bytes, &mut self.answers] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
        }
    }

    fn run(&mut self, store: &mut Store) {
        let now = Now::default();
        while self.done < self.asks.len() && self.answers.len() < ANSWERS_BYTES {
            let ask = &mut self.asks[self.done];
            let (first, end) = ask.spans;
            let args = Args { base: &self.bytes, spans: &self.spans[first..end] };
            let (protocol, out) = (ask.protocol, &mut self.answers);
            keys::run(ask.verb, Work { store, args, protocol, now: &now, out });
            ask.answered = self.forgotten + self.answers.len();
            self.done += 1;
        }
    }
}

/// Parcels that are answered before the connections of this core have their turn.
const AT_ONCE: usize = 16;

/// Does what other cores ask of this one's shard, for ever.
pub(super) async fn serve(place: &Place, mut inbox: Receiver<Box<Parcel>>) {
    let mut answered = 0;
    while let Some(mut parcel) = inbox.recv().await {
        answered += 1;
        if answered % AT_ONCE == 0 {
            annulus::task::yield_now().await;
        }
        parcel.run(&mut place.store.borrow_mut());
        // Whose connection it was counts its commands.
        place.publish(0);
        let home = parcel.home.clone();
        // Its connection may be gone.
        let _ = home.try_send(parcel);
    }
}

/// The parcels of a connection that are under way, and their way home.
pub(super) struct Errands {
    home: Sender<Box<Parcel>>,
    returning: Receiver<Box<Parcel>>,
}

impl Errands {
    pub(super) fn new(place: &Place) -> Self {
        // Each shard has one parcel of a connection at a time, so there is always room.
        let (home, returning) = annulus::sync::cross::channel(place.shards());
        Self { home, returning }
    }

    pub(super) fn parcel(&self, shard: usize) -> Box<Parcel> {
        Box::new(Parcel::new(shard, self.home.clone()))
    }

    /// Sends all parcels that have something to ask, and waits until they are back: each with one
    /// answer more at least.
    pub(super) async fn run(
        &mut self,
        place: &Place,
        parcels: &mut [Option<Box<Parcel>>],
    ) -> io::Result<()> {
        let mut under_way = 0;
        for parcel in parcels.iter_mut() {
            if let Some(parcel) = parcel.take_if(|parcel| parcel.is_to_go()) {
                let shard = parcel.shard();
                place.mail[shard].send(parcel).await.map_err(|_| stopped())?;
                under_way += 1;
            }
        }
        while under_way > 0 {
            let parcel = self.returning.recv().await.ok_or_else(stopped)?;
            let shard = parcel.shard();
            parcels[shard] = Some(parcel);
            under_way -= 1;
        }
        Ok(())
    }
}

fn stopped() -> io::Error {
    io::Error::other("the core of the key has stopped")
}
