//! A proactor: threads that submit and reap for others, in batches, and own what the kernel
//! borrows.
//!
//! ```text
//!  any thread            the submitter's thread           the kernel     reaping threads
//!  room, a free cell,    collects a batch, encodes it,    carries it     look the cell up, make
//!  an entry in a list -> and submits                 -->  out       -->  the output, give the room
//!      ^                                                                 back
//!      +-------------------------------------------------------------------+
//! ```
//!
//! Owns: [`Proactor`], its [`Builder`] and the threads. Does not own: the ring ([`SharedRing`]),
//! requests ([`request`]), the cells in which they lie ([`cell`], [`table`]), the lists by which
//! threads tell the submitter ([`list`]). Invariants: a request lies in its cell, with all that it
//! owns, until its completion has been reaped, whatever becomes of its ticket; a cell has a
//! generation, so a completion finds only its own request; the threads end when nothing is in
//! flight; nothing is allocated for a request.
//!
//! The submitter's thread lives as long as requests are in flight, because the kernel does not go
//! on with those of a thread that has exited. That is why callers do not submit themselves.

// Public under loom, for the models in `tests/loom`.
#[cfg(not(loom))]
mod cell;
#[cfg(loom)]
pub mod cell;
#[cfg(not(loom))]
mod list;
#[cfg(loom)]
pub mod list;
mod request;
mod storage;
mod submitter;
mod table;
mod ticket;

pub use request::{Nop, ReadAt, Request, Sleep, Sync, WriteAt};
pub use ticket::Ticket;

use core::{fmt, time::Duration};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::{Ring, SharedRing, shared::room::Room};
use list::List;
use table::Table;

/// Carries out requests for any number of threads.
///
/// A thread gives it a request that owns its memory, and gets a [`Ticket`] or has a callback
/// called. The proactor decides when to submit: as soon as its thread gets round to it, which
/// collects what has come meanwhile; with [`Builder::linger`] it waits a while for more. A batch
/// is submitted
///
/// * when it has as many requests as [`Builder::batch`] says,
/// * when somebody waits for a ticket or for room,
/// * when no request has come for as long as it lingers.
///
/// # What it guarantees
/// All of it is safe: a request owns its buffers and descriptors until it has completed, and
/// forgetting a ticket, or the proactor, frees nothing early. No more requests are in flight than
/// it has [`capacity`](Self::capacity); more are turned away ([`try_submit`](Self::try_submit)) or
/// wait ([`submit`](Self::submit)). Dropping it cancels what is in flight and waits for its end.
///
/// # What it costs
/// Two messages between threads for each request, and no allocation: a request, its output and its
/// callback lie in a cell that was made with the proactor. What has more than 192 bytes is boxed,
/// and the memory grows, to stay, with the most tickets that were ever held at once, if these are
/// more than its [`capacity`](Self::capacity). Threads that have their own [`Ring`] pay for no
/// messages; use this where requests come from many threads that have none, and take longer than a
/// switch between threads.
///
/// ```
/// use std::{fs::File, sync::Arc};
/// use annulus_ring::proactor::{Proactor, ReadAt};
///
/// let proactor = Proactor::new(64)?;
/// let file = Arc::new(File::open("/proc/self/cmdline")?);
/// let read = ReadAt { file, buffer: Vec::with_capacity(4096), offset: 0 };
/// let (result, buffer) = proactor.submit(read).wait();
/// assert_eq!(result?, buffer.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Proactor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What callers, tickets and threads share.
struct Shared {
    ring: SharedRing,
    table: Table,
    /// A credit for each request in flight, returned when its output has been made.
    room: Room,
    capacity: u32,
    /// Cells with requests to be submitted, and what else the submitter is told.
    submits: List,
    /// Cells with requests to be cancelled.
    cancels: List,
    /// Where the submitter sleeps; it has no credits.
    bell: Room,
}

/// A mark in the list of submissions: somebody waits, so do not collect any longer.
const FLUSH: u32 = 1;
/// Another: cancel everything, and end when it has completed.
const STOP: u32 = 2;

/// How a proactor is to be made.
#[derive(Debug)]
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder {
    ring: crate::Builder,
    reapers: usize,
    batch: u32,
    linger: Duration,
}

impl Builder {
    /// On the ring that this builder makes.
    pub fn on(ring: crate::Builder) -> Self {
        Self { ring, reapers: 1, batch: 32, linger: Duration::ZERO }
    }

    /// How many threads reap, give outputs and run callbacks. 1 by default, and at least.
    pub fn reapers(mut self, threads: usize) -> Self {
        self.reapers = threads.max(1);
        self
    }

    /// How many requests are submitted at once, at most. 32 by default.
    pub fn batch(mut self, requests: u32) -> Self {
        self.batch = requests.max(1);
        self
    }

    /// How long a batch that is not full waits for more. Not at all by default.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Opens the ring and starts the threads.
    ///
    /// # Errors
    /// [`ShareError`](crate::ShareError) as an `io::Error`, and that of a thread that cannot be
    /// started.
    pub fn build(self) -> io::Result<Proactor> {
        let ring = self.ring.build_shared().map_err(io::Error::from)?;
        // Cancels need room, too; theirs is not promised to requests.
        let capacity = ring.capacity() - (ring.capacity() / 4).clamp(1, 32);
        let shared = Arc::new(Shared {
            table: Table::new(capacity),
            room: Room::new(capacity),
            ring,
            capacity,
            submits: List::new(),
            cancels: List::new(),
            bell: Room::new(0),
        });
        let mut proactor = Proactor { shared, threads: Vec::new() };
        let work = submitter::Work {
            shared: proactor.shared.clone(),
            batch: self.batch,
            linger: self.linger,
            reapers: self.reapers,
        };
        let begin = |name: &str| thread::Builder::new().name(format!("proactor {name}"));
        // First, because it is who ends those that reap if one of them cannot be started.
        proactor.threads.push(begin("submit").spawn(move || work.run())?);
        for _ in 0..self.reapers {
            let shared = proactor.shared.clone();
            proactor.threads.push(begin("reap").spawn(move || shared.reap())?);
        }
        Ok(proactor)
    }
}

/// A request that was turned away, because as many are in flight as there can be.
pub struct Full<R>(
    /// The request, as it was.
    pub R,
);

impl<R> fmt::Debug for Full<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full")
    }
}

impl<R> fmt::Display for Full<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many requests are in flight as the proactor has room for")
    }
}

impl<R> std::error::Error for Full<R> {}

impl<R> From<Full<R>> for io::Error {
    fn from(full: Full<R>) -> Self {
        Self::new(io::ErrorKind::WouldBlock, full.to_string())
    }
}

impl Proactor {
    /// A proactor on a ring with `entries` submission entries, and the builder's defaults.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(entries: u32) -> io::Result<Self> {
        Builder::on(Ring::builder().entries(entries)).build()
    }

    /// Submits a request if there is room.
    ///
    /// # Errors
    /// [`Full`], with the request.
    pub fn try_submit<R: Request>(&self, request: R) -> Result<Ticket<R>, Full<R>> {
        if self.shared.room.take(1) == 0 {
            return Err(Full(request));
        }
        Ok(self.ticket(request))
    }

    /// Submits a request, and waits for room if there is none. Not for callbacks: those would wait
    /// for themselves.
    pub fn submit<R: Request>(&self, request: R) -> Ticket<R> {
        self.shared.wait_for_room();
        self.ticket(request)
    }

    /// As [`submit`](Self::submit), but the output goes to `callback`, on a thread that reaps. The
    /// other requests of this thread wait meanwhile. A panic there ends the callback and nothing
    /// else.
    pub fn submit_with<R: Request>(
        &self,
        request: R,
        callback: impl FnOnce(R::Output) + Send + 'static,
    ) {
        self.shared.wait_for_room();
        let cell = self.shared.table.take();
        self.shared.table.cell(cell).begin_with(request, callback);
        self.shared.submit(cell);
    }

    /// Cancels what is in flight, and waits until each request has given its output; the same as
    /// dropping it. A callback that does so does not wait, because it would wait for itself.
    pub fn shutdown(self) {}

    /// How many requests can be in flight.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.shared.capacity
    }

    /// Requests whose output has not been given yet.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.shared.capacity - self.shared.room.credits()
    }

    /// There is room for the request.
    fn ticket<R: Request>(&self, request: R) -> Ticket<R> {
        let cell = self.shared.table.take();
        let generation = self.shared.table.cell(cell).begin(request);
        let ticket = Ticket::new(self.shared.clone(), cell, generation);
        self.shared.submit(cell);
        ticket
    }
}

impl Drop for Proactor {
    /// Nobody can submit any more, because that takes a reference to what is dropped.
    fn drop(&mut self) {
        self.shared.tell(STOP);
        let own = thread::current().id();
        if self.threads.iter().all(|thread| thread.thread().id() != own) {
            for thread in self.threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Proactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proactor")
            .field("capacity", &self.capacity())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Has the request in a cell submitted.
    fn submit(&self, cell: u32) {
        self.submits.post(cell, &self.table.cell(cell).submits);
        self.bell.made();
    }

    fn wait_for_room(&self) {
        let look = || (self.room.take(1) == 1).then_some(());
        if look().is_none() {
            self.flush();
            self.room.wait(None, look);
        }
    }

    /// Submits what is being collected.
    fn flush(&self) {
        self.tell(FLUSH);
    }

    /// After the end nobody listens, and nothing is left to be cancelled.
    fn cancel(&self, cell: u32, generation: u32) {
        if self.table.cell(cell).ask_to_cancel(generation) {
            self.cancels.post(cell, &self.table.cell(cell).cancels);
        }
        self.flush();
    }

    fn tell(&self, mark: u32) {
        self.submits.mark(mark);
        self.bell.made();
    }
}
