//! One ring for many threads: any of them submits, any of them reaps, and no lock is around a
//! queue.
//!
//! Owns: [`SharedRing`], which puts together the queues ([`submission`], [`completion`]) and the
//! credits ([`room`]). Does not own: what each thread holds ([`submitter`]), nor when to submit
//! (the proactor, or the caller).
//!
//! Invariants: no more requests are in flight than the completion queue has entries; the kernel is
//! entered by one submitting thread at a time, the leader, and by any number that wait. Mirrors
//! io_uring(7).

pub mod completion;
mod error;
pub mod memory;
mod once;
pub mod room;
pub mod slots;
pub mod submission;
mod submitter;
pub(crate) mod sync;

pub use error::{OpenChain, PushError, SubmitError};
pub use submitter::Submitter;

use core::{fmt, time::Duration};
use std::{
    os::fd::RawFd,
    sync::{Arc, Mutex, PoisonError},
};

use annulus_abi::{Cqe, Errno, Params, SetupFlags};

use crate::{
    Builder, Capabilities, Ring, ShareError,
    threads::{Owner, Port},
};
use completion::Completion;
use memory::{MappedCq, MappedSq};
use room::Room;
use submission::Submission;

/// One io_uring for many threads.
///
/// Cloning gives another handle on the same ring; all of it can be called from any thread at any
/// time. Each thread that pushes has a [`Submitter`]; completions are reaped through this type, by
/// whoever likes. The last handle closes the ring, which is *not* a barrier: requests in flight may
/// still read and write their memory afterwards.
///
/// # What it guarantees
/// * A request that was submitted reaches the kernel once, and its completion is reaped once, by
///   one of the reaping threads. `user_data` is the caller's, all 64 bits of it.
/// * What one thread submits reaches the kernel in the order in which it was pushed, and what it
///   submits together stays together, so chains are possible. Between threads there is no order.
/// * The completion queue cannot overflow: each request has a credit for its completion from
///   before it is pushed until it has been reaped. So requests with any other number of completions
///   than one are refused when they are pushed ([`PushError::Completions`]). What comes into the
///   queue without a request of this ring is not counted: `MSG_RING` from other rings, and tags of
///   registered resources.
/// * A thread that is preempted, panics or is killed while it fills entries stops nobody; at worst
///   the ring has as many entries less as it held. To take, fill, commit and reap is lock-free.
///   Submitting is not: one thread at a time enters the kernel for all (which has a mutex there,
///   too), and what others submit meanwhile goes with its next round. Such a thread carries on as
///   long as others submit.
/// * Nothing is allocated after the set-up.
///
/// # What it costs
/// A batch costs six locked instructions on each side together, however many entries it has, so
/// small batches cost more than a plain [`Ring`]'s. `DEFER_TASKRUN` and `SINGLE_ISSUER` are out of
/// the question, so completions of requests that had to wait interrupt the thread that submitted
/// them. Without a [submission thread](Builder::sqpoll), to the kernel a request is that of the
/// thread that entered with it, whoever pushed it, and **once this thread has exited, a request of
/// it that had to wait does not go on**: it completes with ECANCELED. Threads that submit should
/// live as long as the ring is used, or let others submit ([`Submitter::commit`]).
///
/// Against a mutex around a plain ring it gains most with small batches (three times the requests
/// for a CPU second with one at a time, twice as many with eight; two threads that submit and two
/// that reap). With batches of 32 a request costs about 130 instructions here and 75 there, nine of
/// ten cycles are the kernel's, and what decides is how often it switches to a thread that reaps,
/// which a mutex holds off: there the mutex is equal or ahead.
///
/// A [`Ring`] for each thread is faster wherever the work can be divided. Two threads, one that
/// submits and one that reaps, are better off with [`Builder::build_split`].
///
/// ```
/// use annulus_ring::{SharedRing, abi::Cqe, op::Nop};
///
/// let ring = SharedRing::with_capacity(64)?;
/// std::thread::scope(|scope| {
///     for thread in 0..2_u64 {
///         let mut submitter = ring.submitter();
///         scope.spawn(move || {
///             for number in 0..8 {
///                 // SAFETY: a NOP borrows no memory.
///                 unsafe { submitter.push(&Nop, thread << 32 | number) }.unwrap();
///             }
///             submitter.submit().unwrap();
///         });
///     }
///     let mut cqes = [Cqe::default(); 16];
///     let mut reaped = 0;
///     while reaped < 16 {
///         match ring.reap(&mut cqes) {
///             0 => ring.wait(1, None).unwrap(),
///             count => reaped += count,
///         }
///     }
/// });
/// assert_eq!(ring.in_flight(), 0);
/// # Ok::<(), annulus_ring::ShareError>(())
/// ```
#[derive(Clone)]
pub struct SharedRing {
    inner: Arc<Inner>,
}

/// What all handles share.
pub(crate) struct Inner {
    sq: Submission<MappedSq>,
    cq: Completion<MappedCq>,
    room: Room,
    /// Where threads with credits wait for slots; it has no credits of its own.
    slots_made: Room,
    port: Port,
    /// Credits in all hands.
    capacity: u32,
    /// A thread of the kernel consumes what is published, when it likes.
    has_sq_thread: bool,
    params: Params,
    capabilities: Capabilities,
    /// Closes the ring; registrations go through it.
    owner: Mutex<Owner>,
}

impl Builder {
    /// Opens a ring for many threads, bound to none of them. As many requests can be in flight as
    /// it has completion entries.
    ///
    /// [`task_work`](Self::task_work) does not matter: task work interrupts. With a
    /// [submission thread](Self::sqpoll) submitting makes no call unless that thread sleeps, and
    /// requests are that thread's: they do not end with whoever pushed them. Then a push that finds
    /// no slot, and a wait for room, look for what the thread has consumed meanwhile; nobody tells
    /// them, so the wait looks each millisecond.
    ///
    /// # Errors
    /// [`ShareError`]: as [`build`](Self::build), and for a kernel or a wish that does not go with
    /// many threads.
    pub fn build_shared(self) -> Result<SharedRing, ShareError> {
        // The index array is needed.
        let owner = Owner::open(self, SetupFlags::NO_SQARRAY)?;
        let ring = owner.ring();
        let params = *ring.params();
        let memory = ring.memory();
        // SAFETY: the parameters are those of this memory and say that the array is there; the
        // ring's own queue is not used any more.
        let sq = unsafe { MappedSq::new(memory, &params) };
        // SAFETY: as above; entries of another size were refused.
        let cq = unsafe { MappedCq::new(memory, &params) };
        let inner = Inner {
            sq: Submission::new(sq),
            cq: Completion::new(cq),
            room: Room::new(params.cq_entries),
            slots_made: Room::new(0),
            port: Port::new(ring, ring.fd()),
            capacity: params.cq_entries,
            has_sq_thread: params.flags.contains(SetupFlags::SQPOLL),
            params,
            capabilities: ring.capabilities().clone(),
            owner: Mutex::new(owner),
        };
        Ok(SharedRing { inner: Arc::new(inner) })
    }
}

impl SharedRing {
    /// A ring with `entries` submission entries and the builder's defaults.
    ///
    /// # Errors
    /// As [`Builder::build_shared`].
    pub fn with_capacity(entries: u32) -> Result<Self, ShareError> {
        Ring::builder().entries(entries).build_shared()
    }

    /// A handle for one thread to push entries with.
    #[must_use]
    pub fn submitter(&self) -> Submitter {
        Submitter::new(self.inner.clone())
    }

    /// Gives to the kernel what is committed and what a failed submission left. Returns how many
    /// entries this thread saw consumed: none if another thread is submitting, which then goes on
    /// to take what was committed before this call. A [submission thread](Builder::sqpoll) consumes
    /// in its own time; it is woken if it sleeps.
    ///
    /// # Errors
    /// EAGAIN (no memory for a request), and what else io_uring_enter(2) says. Nothing is lost:
    /// what was not consumed is [`pending`](Self::pending).
    pub fn submit(&self) -> Result<u32, Errno> {
        self.inner.submit()
    }

    /// Entries that are committed or given to the kernel, and not consumed.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.inner.sq.committed() + self.inner.sq.unconsumed()
    }

    /// Reaps completions into `cqes`, oldest first, and returns how many; 0 if none is ready. What
    /// it returns is the caller's alone.
    ///
    /// Threads that wait for room are woken when a quarter of it is free, or when no completion is
    /// left to be reaped; so go on until this returns 0.
    pub fn reap(&self, cqes: &mut [Cqe]) -> usize {
        self.inner.reap(cqes)
    }

    /// Waits until `want` completions are in the queue, or the time is over, which is no error.
    /// Submits first if anything is pending.
    ///
    /// Other threads may reap them before this one does, so what follows is a
    /// [`reap`](Self::reap) that can come back empty. With `want` greater than 1 and other threads
    /// that reap, do not wait without a timeout for the last completions that there will be.
    ///
    /// # Errors
    /// EINTR, and as [`submit`](Self::submit).
    pub fn wait(&self, want: u32, timeout: Option<Duration>) -> Result<(), Errno> {
        self.inner.wait(want, timeout)
    }

    /// Completions that can be reaped now.
    #[must_use]
    pub fn cq_ready(&self) -> u32 {
        self.inner.cq.ready()
    }

    /// Whether the [submission thread](Builder::sqpoll) sleeps, if there is one. Whoever submits
    /// wakes it.
    #[must_use]
    pub fn sq_thread_sleeps(&self) -> bool {
        self.inner.has_sq_thread && self.inner.sq.thread_sleeps()
    }

    /// How many requests can be in flight.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.inner.capacity
    }

    /// Requests that are in flight, completed and not reaped, or held back by a [`Submitter`].
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.inner.capacity.saturating_sub(self.inner.room.credits())
    }

    /// What this ring has and lacks.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    /// What the kernel made of the request for a ring.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.inner.params
    }

    /// The ring's descriptor, for `MSG_RING`, poll(2) and the like.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.inner.port.fd()
    }

    /// Calls `work` with the ring behind this one, for registrations and the like: files, buffers,
    /// buffer rings, limits. One thread at a time.
    ///
    /// # Safety
    /// * Through it nothing is pushed, submitted, looked at or reaped, the ring is not resized, and
    ///   no descriptor of it is registered with a thread. It is not exchanged for another.
    pub unsafe fn registrations<T>(&self, work: impl FnOnce(&mut Ring) -> T) -> T {
        let mut owner = self.inner.owner.lock().unwrap_or_else(PoisonError::into_inner);
        work(owner.ring_mut())
    }
}

impl Inner {
    /// Leads as long as there is something to submit; see [`SharedRing::submit`].
    #[inline]
    pub(crate) fn submit(&self) -> Result<u32, Errno> {
        // What a submission thread has consumed is to be given back all the same.
        if self.sq.committed() == 0 && self.sq.unconsumed() == 0 && !self.has_sq_thread {
            return Ok(0);
        }
        let mut consumed = 0;
        let mut leader = self.sq.lead();
        while let Some(leads) = leader {
            let entered = if leads.publish() == 0 {
                Ok(())
            } else if self.has_sq_thread {
                if leads.must_wake() { self.port.wake_sq_thread() } else { Ok(()) }
            } else {
                // As many as there are when the kernel looks, so that it never stops within a
                // batch that was published meanwhile.
                // SAFETY: every entry was pushed through an unsafe method, whose caller answers
                // for its memory.
                unsafe { self.port.submit(self.params.sq_entries) }.map(drop)
            };
            let reclaimed = leads.reclaim();
            if reclaimed > 0 {
                self.slots_made.made();
            }
            consumed += reclaimed;
            entered?;
            leader = leads.resign();
        }
        Ok(consumed)
    }

    #[inline]
    pub(crate) fn reap(&self, cqes: &mut [Cqe]) -> usize {
        let count = self.cq.take(cqes);
        if count > 0 {
            let credits = self.room.put_back(count as u32);
            // To wake a thread costs as much as dozens of requests, so it is worth some room.
            if credits >= self.capacity / 4 || self.cq.ready() == 0 {
                self.room.made();
            }
        }
        count
    }

    pub(crate) fn wait(&self, want: u32, timeout: Option<Duration>) -> Result<(), Errno> {
        self.submit()?;
        let timeout_ns = timeout.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.port.wait(want, timeout_ns)
    }
}

impl fmt::Debug for SharedRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRing")
            .field("fd", &self.fd())
            .field("sq_entries", &self.inner.params.sq_entries)
            .field("capacity", &self.inner.capacity)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
