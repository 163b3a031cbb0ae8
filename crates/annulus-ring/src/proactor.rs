//! A proactor: threads that submit and reap for others, in batches, and own what the kernel
//! borrows.
//!
//! ```text
//!  any thread            the submitter's thread           the kernel     reaping threads
//!  room, a place in the  collects a batch, encodes it,    carries it     look the request up, give
//!  table, a message -->  and submits                 -->  out       -->  its output, and its room
//!      ^                                                                 back
//!      +-------------------------------------------------------------------+
//! ```
//!
//! Owns: [`Proactor`], its [`Builder`], the table of requests and the threads. Does not own: the
//! ring ([`SharedRing`]), requests ([`request`]), waiting for one ([`task`]). Invariants: a request
//! lies in the table, with all that it owns, until its completion has been reaped, whatever becomes
//! of its ticket; a place in the table has a generation, so a completion finds only its own
//! request; the threads end when the table is empty.
//!
//! The submitter's thread lives as long as requests are in flight, because the kernel does not go
//! on with those of a thread that has exited. That is why callers do not submit themselves.

mod request;
mod submitter;
mod table;
mod task;

pub use request::{Nop, ReadAt, Request, Sleep, Sync, WriteAt};
pub use task::Ticket;

use core::{fmt, time::Duration};
use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use crate::{Ring, SharedRing, shared::room::Room};
use submitter::Message;
use table::Table;
use task::{Job, Task};

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
/// An allocation and two messages between threads for each request. Threads that have their own
/// [`Ring`] pay neither; use this where requests come from many threads that have none, and take
/// longer than a switch between threads.
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
    /// A credit for each place in the table, returned when the request's output has been given.
    room: Room,
    capacity: u32,
    messages: mpsc::Sender<Message>,
}

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
        let (messages, inbox) = mpsc::channel();
        let shared = Arc::new(Shared {
            table: Table::new(capacity),
            room: Room::new(capacity),
            ring,
            capacity,
            messages,
        });
        let mut proactor = Proactor { shared, threads: Vec::new() };
        let work = submitter::Work {
            shared: proactor.shared.clone(),
            inbox,
            batch: self.batch,
            linger: self.linger,
            reapers: self.reapers,
        };
        let begin = |name: &str| thread::Builder::new().name(format!("proactor {name}"));
        for _ in 0..self.reapers {
            let shared = proactor.shared.clone();
            proactor.threads.push(begin("reap").spawn(move || shared.reap())?);
        }
        proactor.threads.push(begin("submit").spawn(move || work.run())?);
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
        self.shared.begin(Task::new(request, Some(Box::new(callback))));
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
        let task = Task::new(request, None);
        let user_data = self.shared.begin(task.clone());
        Ticket { task, shared: self.shared.clone(), user_data }
    }
}

impl Drop for Proactor {
    /// Nobody can submit any more, because that takes a reference to what is dropped.
    fn drop(&mut self) {
        self.shared.tell(Message::Stop);
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
    /// Puts a request for which there is room into the table, and has it submitted. Returns its
    /// user data.
    fn begin(&self, job: Arc<dyn Job>) -> u64 {
        let user_data = self.table.insert(job);
        self.tell(Message::Submit(user_data));
        user_data
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
        self.tell(Message::Flush);
    }

    fn cancel(&self, user_data: u64) {
        self.tell(Message::Cancel(user_data));
    }

    /// After the end nobody listens, and nothing is left to be done.
    fn tell(&self, message: Message) {
        let _ = self.messages.send(message);
    }
}
