//! A ring in two halves: one thread submits, another reaps.
//!
//! Owns: [`SubmissionQueue`], [`CompletionQueue`] and how they are made. Does not own: the queues
//! (`sq`, `cq`), which are the same as a [`Ring`]'s. Invariants: each half alone works on its
//! queue, so neither needs a lock or an atomic that a ring would not need; each has a descriptor of
//! the ring, and the ring is closed with the second. Mirrors io_uring(7).

use core::{fmt, time::Duration};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use annulus_abi::{BufRegFlags, Cqe, Errno, Params, SetupFlags, Sqe, SqeFlags};

use crate::{
    BufRing, Builder, Capabilities, Completions, Op, RegisterError, Ring, ShareError, SqFull,
    cq::Cq,
    threads::{Owner, Port},
};

/// The submission half of a ring: pushes, submits, registers.
///
/// It is `Send`, and it does what a [`Ring`] does, without a lock and without another atomic: a
/// ring has separate queues for both directions, so two threads need not know of each other.
///
/// What it does not do is count. More requests can be in flight than there are completion entries;
/// the kernel then keeps completions back until there is room
/// ([`CompletionQueue::wait`] fetches them).
///
/// To the kernel a request is that of the thread which submitted it. Once this thread has exited, a
/// request of it that had to wait does not go on: it completes with ECANCELED.
///
/// ```
/// fn send<T: Send>() {}
/// send::<annulus_ring::SubmissionQueue>();
/// send::<annulus_ring::CompletionQueue>();
/// ```
pub struct SubmissionQueue {
    owner: Owner,
}

/// The completion half of a ring: waits and reaps.
///
/// It is `Send`, works without the other half and outlives it: what is in flight when the
/// [`SubmissionQueue`] is dropped can still be reaped.
pub struct CompletionQueue {
    cq: Cq,
    port: Port,
    /// A duplicate, so that the ring stays open for this half.
    _descriptor: OwnedFd,
}

// SAFETY: the queue's memory is the process's, and this half alone reads and writes its head.
unsafe impl Send for CompletionQueue {}

/// A ring with `entries` submission entries and the builder's defaults, in two halves.
///
/// ```
/// use annulus_ring::op::Nop;
///
/// let (mut sq, mut cq) = annulus_ring::with_capacity(128)?;
/// let reaper = std::thread::spawn(move || {
///     let mut seen = Vec::new();
///     while seen.len() < 3 {
///         cq.wait(1, None).unwrap();
///         seen.extend(cq.completions().map(|cqe| cqe.user_data));
///     }
///     seen
/// });
/// for number in 0..3 {
///     // SAFETY: a NOP borrows no memory.
///     unsafe { sq.push(&Nop, number) }?;
/// }
/// sq.submit()?;
/// assert_eq!(reaper.join().unwrap(), [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Builder::build_split`].
pub fn with_capacity(entries: u32) -> Result<(SubmissionQueue, CompletionQueue), ShareError> {
    Ring::builder().entries(entries).build_split()
}

impl Builder {
    /// Opens a ring in two halves that can live on two threads, bound to neither.
    ///
    /// [`task_work`](Self::task_work) does not matter: task work interrupts.
    ///
    /// # Errors
    /// [`ShareError`]: as [`build`](Self::build), and for a kernel or a wish that does not go with
    /// two threads.
    pub fn build_split(self) -> Result<(SubmissionQueue, CompletionQueue), ShareError> {
        let owner = Owner::open(self, SetupFlags::EMPTY)?;
        let ring = owner.ring();
        // SAFETY: the descriptor is open as long as the ring.
        let descriptor = unsafe { BorrowedFd::borrow_raw(ring.fd()) };
        let descriptor = descriptor
            .try_clone_to_owned()
            .map_err(|error| ShareError::Descriptor(Errno(error.raw_os_error().unwrap_or(0))))?;
        let port = Port::new(ring, descriptor.as_raw_fd());
        // SAFETY: the parameters are those of this memory, entries of another size were refused,
        // and the ring's own completion queue is not used any more.
        let cq = unsafe { Cq::new(ring.memory(), ring.params()) };
        let completions = CompletionQueue { cq, port, _descriptor: descriptor };
        Ok((SubmissionQueue { owner }, completions))
    }
}

impl SubmissionQueue {
    // --- Submission ------------------------------------------------------------------------------

    /// The free entry at the tail; see [`Ring::vacant`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`].
    #[inline]
    pub unsafe fn vacant(&mut self) -> Option<&mut Sqe> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.own().vacant() }
    }

    /// Pushes a copy of an entry.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`].
    #[inline]
    pub unsafe fn push_sqe(&mut self, sqe: &Sqe) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.own().push_sqe(sqe) }
    }

    /// Pushes a typed operation.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`].
    #[inline]
    pub unsafe fn push<O: Op>(&mut self, op: &O, user_data: u64) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.own().push(op, user_data) }
    }

    /// Pushes a typed operation with more flags: linked, drained, at once to a worker.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`].
    #[inline]
    pub unsafe fn push_with_flags<O: Op>(
        &mut self,
        op: &O,
        user_data: u64,
        flags: SqeFlags,
    ) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.own().push_with_flags(op, user_data, flags) }
    }

    /// Gives all pushed entries to the kernel. Returns the number of entries consumed.
    ///
    /// # Errors
    /// As [`Ring::submit`].
    #[inline]
    pub fn submit(&mut self) -> Result<u32, Errno> {
        self.own().submit()
    }

    /// Waits until the submission thread has made room in a full queue; returns at once without
    /// `SQPOLL`.
    ///
    /// # Errors
    /// As io_uring_enter(2).
    pub fn wait_for_sq_space(&mut self) -> Result<(), Errno> {
        self.own().wait_for_sq_space()
    }

    /// Entries that can be pushed before the queue is full.
    #[must_use]
    pub fn sq_space_left(&self) -> u32 {
        self.owner.ring().sq_space_left()
    }

    /// Entries pushed that the kernel has not consumed.
    #[must_use]
    pub fn sq_pending(&self) -> u32 {
        self.owner.ring().sq_pending()
    }

    // --- Registration ----------------------------------------------------------------------------

    /// As [`Ring::register_files_sparse`].
    ///
    /// # Errors
    /// As there.
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Errno> {
        self.own().register_files_sparse(slots)
    }

    /// As [`Ring::update_files`].
    ///
    /// # Errors
    /// As there.
    pub fn update_files(&mut self, first: u32, fds: &[RawFd]) -> Result<u32, Errno> {
        self.own().update_files(first, fds)
    }

    /// As [`Ring::unregister_files`].
    ///
    /// # Errors
    /// As there.
    pub fn unregister_files(&mut self) -> Result<(), Errno> {
        self.own().unregister_files()
    }

    /// As [`Ring::register_buf_ring`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// * As there.
    pub unsafe fn register_buf_ring(
        &mut self,
        entries: u16,
        bgid: u16,
        flags: BufRegFlags,
    ) -> Result<BufRing, RegisterError> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.own().register_buf_ring(entries, bgid, flags) }
    }

    /// As [`Ring::unregister_buf_ring`].
    ///
    /// # Errors
    /// As there.
    pub fn unregister_buf_ring(&mut self, buffers: BufRing) -> Result<(), (BufRing, Errno)> {
        self.own().unregister_buf_ring(buffers)
    }

    /// The ring behind this half, for every other registration.
    ///
    /// # Safety
    /// * Through it nothing is waited for, looked at or reaped, because the other half does that;
    ///   the ring is not resized, no descriptor of it is registered with a thread, and it is not
    ///   exchanged for another.
    pub unsafe fn ring(&mut self) -> &mut Ring {
        self.own()
    }

    // --- What it is ------------------------------------------------------------------------------

    /// What this ring has and lacks.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.owner.ring().capabilities()
    }

    /// What the kernel made of the request for a ring.
    #[must_use]
    pub fn params(&self) -> &Params {
        self.owner.ring().params()
    }

    /// The ring's descriptor.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.owner.ring().fd()
    }

    #[inline]
    fn own(&mut self) -> &mut Ring {
        self.owner.ring_mut()
    }
}

impl CompletionQueue {
    /// Waits until `want` completions are in the queue, or the time is over, which is no error.
    /// Fetches completions that the kernel had to keep back.
    ///
    /// # Errors
    /// EINTR, and what else io_uring_enter(2) says.
    #[doc(alias = "io_uring_wait_cqe_nr")]
    #[doc(alias = "io_uring_wait_cqe_timeout")]
    pub fn wait(&mut self, want: u32, timeout: Option<Duration>) -> Result<(), Errno> {
        if self.cq.ready() >= want.max(1) {
            return Ok(());
        }
        let timeout_ns = timeout.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.port.wait(want, timeout_ns)
    }

    /// Reaps the oldest completion, and waits for it if there is none.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), but EINTR is waited out.
    #[allow(clippy::should_implement_trait, reason = "an iterator would seem to end")]
    #[doc(alias = "io_uring_wait_cqe")]
    pub fn next(&mut self) -> Result<Cqe, Errno> {
        loop {
            if let Some(cqe) = self.try_next() {
                return Ok(cqe);
            }
            match self.wait(1, None) {
                Ok(()) | Err(Errno(libc::EINTR)) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Reaps the oldest completion, if there is one.
    #[doc(alias = "io_uring_peek_cqe")]
    pub fn try_next(&mut self) -> Option<Cqe> {
        self.completions().next()
    }

    /// Reaps what is ready now, oldest first.
    #[inline]
    pub fn completions(&mut self) -> Completions<'_> {
        self.cq.completions()
    }

    /// The oldest completion, which stays in the queue.
    #[must_use]
    pub fn peek(&self) -> Option<Cqe> {
        self.cq.peek()
    }

    /// Completions that can be reaped now.
    #[must_use]
    #[inline]
    pub fn cq_ready(&self) -> u32 {
        self.cq.ready()
    }

    /// Completions that the kernel had to drop; stays 0 where it never does (since 5.5).
    #[must_use]
    pub fn cq_lost(&self) -> u32 {
        self.cq.lost()
    }

    /// This half's descriptor of the ring, for poll(2) and the like.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.port.fd()
    }
}

impl fmt::Debug for SubmissionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubmissionQueue").field(self.owner.ring()).finish()
    }
}

impl fmt::Debug for CompletionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionQueue")
            .field("fd", &self.fd())
            .field("ready", &self.cq_ready())
            .finish_non_exhaustive()
    }
}
