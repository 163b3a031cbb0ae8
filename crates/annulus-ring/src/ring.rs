//! One io_uring.
//!
//! Owns: [`Ring`], its two queues and its kernel; pushing and reaping. Does not own: entering
//! (`enter`), registering (`register`, `files`, `buf_ring`), opening (`builder`).
//!
//! Invariants: entries are written in place and nothing is published before a `submit`; a ring
//! stays on the thread that made it, because a registered descriptor and `SINGLE_ISSUER` are the
//! thread's, so it is neither `Send` nor `Sync`; a forked child has no part in it. Mirrors
//! io_uring(7).

use core::marker::PhantomData;
use std::{fmt, io, os::fd::RawFd, process};

use annulus_abi::{Cqe, EnterFlags, Errno, Opcode, Params, SetupFlags, SqFlags, Sqe, SqeFlags};

use crate::{
    AnyKernel, Capabilities, Completions, CqeShape, Kernel, Mask, Peeked, Reservation, RingMemory,
    Run, SetupError, SqeShape, cq::Cq, op::Op, shape::Walk, sq::Sq,
};

/// One io_uring: a submission queue, a completion queue, and the kernel between them.
///
/// It is bound to the thread that made it (neither `Send` nor `Sync`). After fork(2) the child must
/// not use it: its memory is not inherited. Dropping it there only closes the child's descriptor.
///
/// Dropping it closes the ring, and that is *not* a barrier: requests in flight may still read and
/// write their memory afterwards. Cancel and reap them first.
///
/// `S` and `C` are the sizes of submissions and completions. Without them it is an ordinary ring,
/// of 64 and 16 bytes; [`Builder::build_as`](crate::Builder::build_as) makes the others.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(annulus_ring::Ring::new(8).unwrap());
/// ```
#[doc(alias = "io_uring_queue_exit")]
#[doc(alias = "io_uring_ring_dontfork")]
pub struct Ring<S: SqeShape = Sqe, C: CqeShape = Cqe> {
    pub(crate) sq: Sq<S>,
    pub(crate) cq: Cq<C>,
    pub(crate) kernel: AnyKernel,
    /// Flags of every wait: `NO_IOWAIT` or nothing.
    pub(crate) wait_flags: EnterFlags,
    pub(crate) params: Params,
    capabilities: Capabilities,
    /// After the kernel, so that the descriptor is closed when the memory goes.
    pub(crate) memory: RingMemory,
    /// What the queues have become in the kernel's eyes, if they could not be mapped.
    pub(crate) unmapped: Option<Params>,
    pub(crate) restricted: Option<crate::Restrictions>,
    mask: Mask,
    enabled: bool,
    owner: u32,
    _of_one_thread: PhantomData<*const ()>,
}

/// The submission queue is full: submit, then push again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqFull;

impl fmt::Display for SqFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the submission queue is full")
    }
}

impl std::error::Error for SqFull {}

impl From<SqFull> for io::Error {
    fn from(full: SqFull) -> Self {
        Self::new(io::ErrorKind::WouldBlock, full)
    }
}

impl Ring {
    /// A ring with `entries` submission entries and the builder's defaults.
    ///
    /// # Errors
    /// As [`Builder::build`](crate::Builder::build).
    pub fn new(entries: u32) -> Result<Self, SetupError> {
        Self::builder().entries(entries).build()
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// The ring in `memory`, not tested and not enabled.
    ///
    /// # Safety
    /// * `kernel` made `memory` and described it by `params`, with the setup flags of `S` and `C`;
    ///   nobody else works on it.
    pub(crate) unsafe fn new_in(
        kernel: AnyKernel,
        memory: RingMemory,
        params: Params,
        capabilities: Capabilities,
    ) -> Self {
        Self {
            // SAFETY: the caller says so.
            sq: unsafe { Sq::new(&memory, &params) },
            // SAFETY: the caller says so.
            cq: unsafe { Cq::new(&memory, &params) },
            kernel,
            wait_flags: EnterFlags::EMPTY,
            params,
            capabilities,
            memory,
            unmapped: None,
            restricted: None,
            mask: Mask::none(),
            enabled: false,
            owner: process::id(),
            _of_one_thread: PhantomData,
        }
    }

    // --- Submission ------------------------------------------------------------------------------

    /// The free entry at the tail, zeroed, to be filled in place; it counts as pushed. `None` if
    /// the queue is full.
    ///
    /// # Safety
    /// * What the caller makes of the entry describes memory that stays valid, and is accessed as
    ///   the operation allows, from the next `submit` until the entry's last completion.
    #[doc(alias = "io_uring_get_sqe")]
    #[inline]
    pub unsafe fn vacant(&mut self) -> Option<&mut S::Slot> {
        self.sq.vacant()
    }

    /// As [`vacant`](Self::vacant), but does not look for room: `None` where that would have to
    /// look at what the kernel has consumed. Once the queue is full this gives nothing before
    /// `vacant` has given an entry, so whoever keeps requests for which there was no room need not
    /// ask for them before each entry.
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn vacant_seen(&mut self) -> Option<&mut S::Slot> {
        self.sq.vacant_seen()
    }

    /// Reserves `count` entries next to each other, zeroed, to be filled one by one; they are
    /// pushed all together or not at all.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use annulus_ring::{Ring, abi::SqeFlags};
    ///
    /// let mut ring = Ring::new(4)?;
    /// // SAFETY: NOPs borrow no memory.
    /// let mut chain = unsafe { ring.reserve(3) }?;
    /// for index in 0..3 {
    ///     chain.entry(index).user_data = u64::from(index);
    /// }
    /// chain.entry(0).flags = SqeFlags::IO_LINK;
    /// chain.push();
    /// assert_eq!(ring.submit_and_wait(3, None)?, 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SqFull`] if not all of them are free.
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant), of each entry.
    pub unsafe fn reserve(&mut self, count: u32) -> Result<Reservation<'_, S>, SqFull> {
        self.sq.reserve(count).ok_or(SqFull)
    }

    /// Shows all pushed entries to the kernel without entering it. Returns how many wait to be
    /// consumed.
    ///
    /// Only a submission thread that is awake takes them then; else the next
    /// [`submit`](Self::submit) does, which publishes by itself.
    #[doc(alias = "io_uring_flush_sq")]
    pub fn publish(&mut self) -> u32 {
        self.sq.publish()
    }

    /// Pushes a copy of an entry, for what no typed operation says.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[doc(alias = "io_uring_prep_rw")]
    #[inline]
    pub unsafe fn push_sqe(&mut self, sqe: &S::Slot) -> Result<(), SqFull> {
        let vacant = self.sq.vacant().ok_or(SqFull)?;
        *vacant = *sqe;
        Ok(())
    }

    /// Pushes a typed operation. Those of 128 bytes go with `push_wide`, on the rings that have
    /// room for them.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[doc(alias = "io_uring_sqe_set_data64")]
    #[doc(alias = "io_uring_sqe_set_data")]
    #[inline]
    pub unsafe fn push<O: Op>(&mut self, op: &O, user_data: u64) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.push_with_flags(op, user_data, SqeFlags::EMPTY) }
    }

    /// Pushes a typed operation with more flags: linked, drained, at once to a worker.
    ///
    /// [`Op::flagged`] says the same of an operation, with words and with a personality; for links
    /// there is [`chain`](Self::chain).
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn push_with_flags<O: Op>(
        &mut self,
        op: &O,
        user_data: u64,
        flags: SqeFlags,
    ) -> Result<(), SqFull> {
        let sqe = S::sqe(self.sq.vacant().ok_or(SqFull)?);
        op.encode(sqe);
        sqe.user_data = user_data;
        sqe.flags |= flags;
        Ok(())
    }

    /// Entries that can be pushed before the queue is full.
    #[doc(alias = "io_uring_sq_space_left")]
    #[must_use]
    pub fn sq_space_left(&self) -> u32 {
        self.sq.space_left()
    }

    /// Whether there is anything that a call of the kernel would do now: submit, run task work, or
    /// flush completions that have overflowed. With a submission thread it may say so a call too
    /// often, because the thread consumes unseen.
    #[must_use]
    #[inline]
    pub fn wants_enter(&self) -> bool {
        self.sq.backlog() > 0 || self.sq.flags().intersects(SqFlags::TASKRUN | SqFlags::CQ_OVERFLOW)
    }

    /// Entries pushed that the kernel has not consumed.
    #[doc(alias = "io_uring_load_sq_head")]
    #[doc(alias = "io_uring_sq_ready")]
    #[must_use]
    pub fn sq_pending(&self) -> u32 {
        self.sq.pending()
    }

    /// A copy of the entry that is `nth` of those pushed and not consumed, from 0. `None` if there
    /// are fewer, and always with a submission thread, which consumes unseen.
    ///
    /// After a submission that consumed only a part ([`submit`](Self::submit)) this tells where the
    /// kernel stopped. If it stopped inside a chain (it has no memory for the next request), the
    /// rest has lost its link: as it stands it would be a chain of its own, beside the first half.
    pub fn unconsumed(&mut self, nth: u32) -> Option<Sqe> {
        if self.is_sqpoll() {
            return None;
        }
        self.sq.unconsumed(nth).map(|slot| *S::sqe(slot))
    }

    /// Takes back the entry that [`unconsumed`](Self::unconsumed) gives: the kernel never hears of
    /// it. A no-op with `user_data` stands in its place, and in no chain.
    pub fn take_back(&mut self, nth: u32, user_data: u64) -> Option<Sqe> {
        if self.is_sqpoll() {
            return None;
        }
        let place = S::sqe(self.sq.unconsumed(nth)?);
        Some(std::mem::replace(place, Sqe { opcode: Opcode::NOP, user_data, ..Sqe::default() }))
    }

    /// The index of the next entry to be pushed. It grows by one with each entry and never wraps,
    /// so the difference of two is the number of entries pushed in between.
    #[must_use]
    #[inline]
    pub fn sq_tail(&self) -> u64 {
        self.sq.tail()
    }

    // --- Completion ------------------------------------------------------------------------------

    /// Completions that can be reaped now; of a ring with completions of mixed sizes, the slots
    /// that they and fillers take.
    #[doc(alias = "io_uring_cq_ready")]
    #[must_use]
    #[inline]
    pub fn cq_ready(&self) -> u32 {
        self.cq.ready()
    }

    /// The oldest completion, which stays in the queue.
    #[doc(alias = "__io_uring_peek_cqe")]
    #[doc(alias = "io_uring_peek_cqe")]
    #[must_use]
    pub fn peek(&self) -> Option<C> {
        self.cq.peek()
    }

    /// The completions that are ready, oldest first, which stay in the queue.
    #[doc(alias = "io_uring_peek_batch_cqe")]
    #[doc(alias = "io_uring_for_each_cqe")]
    #[must_use]
    pub fn peeked(&self) -> Peeked<'_, C> {
        self.cq.peeked()
    }

    /// Reaps the oldest `count` completions without a look at them, or all if they are fewer.
    /// Returns how many they were.
    #[doc(alias = "io_uring_cq_advance")]
    #[doc(alias = "io_uring_cqe_seen")]
    pub fn advance(&mut self, count: usize) -> usize {
        self.cq.completions().take(count).count()
    }

    /// Looks at what is ready now, to be reaped with [`next_seen`](Self::next_seen), and says how
    /// many slots that are, which is how many completions unless their sizes are mixed.
    #[inline]
    pub fn look(&mut self) -> u32 {
        self.cq.look()
    }

    /// Reaps the oldest completion that was there at the last [`look`](Self::look): for callers
    /// that need the ring between one completion and the next. With the `None` after the last one,
    /// the slots go back to the kernel.
    #[inline]
    pub fn next_seen(&mut self) -> Option<C> {
        self.cq.next_seen()
    }

    /// Reaps the oldest completions that were there at the last [`look`](Self::look), as many as
    /// lie next to each other, but at most 256: what [`next_seen`](Self::next_seen) does, with the
    /// index worked out once for all of them. The slots go back to the kernel with the next run, or
    /// by [`give_back`](Self::give_back).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use annulus_ring::{Ring, op::Nop};
    ///
    /// let mut ring = Ring::new(4)?;
    /// // SAFETY: a NOP borrows no memory.
    /// unsafe { ring.push(&Nop::default(), 7) }?;
    /// ring.submit_and_wait(1, None)?;
    /// ring.look();
    /// let mut run = ring.next_run();
    /// assert_eq!(run.len(), 1);
    /// // SAFETY: nothing else is reaped before the next run.
    /// assert_eq!(unsafe { run.take() }.unwrap().user_data, 7);
    /// ring.give_back();
    /// assert!(ring.next_run().is_empty());
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn next_run(&mut self) -> Run<C>
    where
        C: Walk<Slot = C>,
    {
        self.cq.next_run()
    }

    /// Leaves the last `count` completions of the last [run](Self::next_run) in the queue: they
    /// come with the next [`look`](Self::look) again. For who cannot go on with a run, because
    /// something panicked.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use annulus_ring::{Ring, op::Nop};
    /// # let mut ring = Ring::new(4)?;
    /// for number in [7, 8] {
    ///     // SAFETY: a NOP borrows no memory.
    ///     unsafe { ring.push(&Nop::default(), number) }?;
    /// }
    /// ring.submit_and_wait(2, None)?;
    /// ring.look();
    /// let mut run = ring.next_run();
    /// // SAFETY: nothing else is reaped before the rest is put back.
    /// assert_eq!(unsafe { run.take() }.unwrap().user_data, 7);
    /// // SAFETY: the run has so many left, and goes.
    /// unsafe { ring.put_back(run.len()) };
    /// assert_eq!(ring.completions().map(|cqe| cqe.user_data).collect::<Vec<_>>(), [8]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Safety
    /// * The run has not given them and will not, and what [`Run::take`](crate::Run::take) demands
    ///   of it still holds.
    pub unsafe fn put_back(&mut self, count: u32)
    where
        C: Walk<Slot = C>,
    {
        // SAFETY: the caller says so; each completion of a run takes one slot.
        unsafe { self.cq.put_back(count) };
    }

    /// Gives the slots of all that was reaped back to the kernel: after the last
    /// [run](Self::next_run).
    #[inline]
    pub fn give_back(&mut self) {
        self.cq.publish();
    }

    /// Reaps what is ready now, oldest first.
    #[inline]
    #[doc(alias = "__io_uring_get_cqe")]
    pub fn completions(&mut self) -> Completions<'_, C> {
        self.cq.completions()
    }

    /// Appends all completions that are ready now to `out`, and says how many they were: for
    /// callers that must have the ring back before they look at them.
    #[inline]
    pub fn reap_into(&mut self, out: &mut Vec<C>) -> usize {
        let before = out.len();
        out.extend(self.cq.completions());
        out.len() - before
    }

    /// Task work waits for the next enter (with `TASKRUN_FLAG`): completions that the kernel has
    /// not posted yet. So it may be right behind a wait
    /// ([`submit_and_wait`](Self::submit_and_wait)).
    #[must_use]
    #[inline]
    pub fn task_work_pending(&self) -> bool {
        self.sq.flags().contains(SqFlags::TASKRUN)
    }

    /// Completions wait outside the full queue; reap, then enter, and they come in order.
    #[doc(alias = "io_uring_cq_has_overflow")]
    #[must_use]
    #[inline]
    pub fn overflowed(&self) -> bool {
        self.sq.flags().contains(SqFlags::CQ_OVERFLOW)
    }

    /// The submission thread sleeps (with `SQPOLL`); the next submit wakes it.
    #[must_use]
    pub fn sq_thread_sleeps(&self) -> bool {
        self.is_sqpoll() && self.sq.needs_wakeup()
    }

    /// Completions that the kernel had to drop. Stays 0 with
    /// [`Features::NODROP`](annulus_abi::Features::NODROP).
    #[must_use]
    pub fn cq_lost(&self) -> u32 {
        self.cq.lost()
    }

    /// Entries that the kernel refused to look at. Stays 0.
    #[must_use]
    pub fn sq_dropped(&self) -> u32 {
        self.sq.dropped()
    }

    // --- What it is ------------------------------------------------------------------------------

    /// What this ring has and lacks.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The kernel behind it. It has no size that the compiler would know of, so that no other can
    /// be put in its place: requests of this ring would be another one's, and their memory too.
    ///
    /// ```compile_fail,E0277
    /// # fn swap(one: &mut annulus_ring::Ring, other: &mut annulus_ring::Ring) {
    /// std::mem::swap(one.kernel(), other.kernel());
    /// # }
    /// ```
    pub fn kernel(&mut self) -> &mut (impl Kernel + ?Sized) {
        &mut self.kernel
    }

    /// As [`kernel`](Self::kernel), for who has to name its type.
    ///
    /// # Safety
    /// * No other is put in its place.
    pub unsafe fn any_kernel(&mut self) -> &mut AnyKernel {
        &mut self.kernel
    }

    /// What the kernel made of the request for a ring.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The ring's descriptor, for `MSG_RING`, poll(2) and the like; -1 if it has none
    /// ([`Builder::registered_fd_only`](crate::Builder::registered_fd_only)) or it was closed
    /// ([`close_fd`](Self::close_fd)).
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.memory.fd()
    }

    /// Closes the descriptor of the ring, which goes on through its registered twin: one descriptor
    /// less in the process's table, and none that could be closed by mistake.
    ///
    /// Afterwards nothing can poll the ring, send it messages, or resize it.
    ///
    /// # Errors
    /// EINVAL if the ring has no registered twin
    /// ([`Capabilities::registered_ring`](crate::Capabilities::registered_ring)) that registrations
    /// can use as well ([`REG_REG_RING`](annulus_abi::Features::REG_REG_RING), 6.3), EBADF if it
    /// was closed before.
    #[doc(alias = "io_uring_close_ring_fd")]
    pub fn close_fd(&mut self) -> Result<(), Errno> {
        self.kernel.close_ring_fd()?;
        self.memory.set_fd(-1);
        Ok(())
    }

    /// Whether it takes submissions; see [`Builder::disabled`](crate::Builder::disabled).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    pub(crate) fn set_enabled(&mut self) {
        self.enabled = true;
    }

    pub(crate) fn is_sqpoll(&self) -> bool {
        self.params.flags.contains(SetupFlags::SQPOLL)
    }

    pub(crate) fn set_no_iowait(&mut self, no_iowait: bool) {
        if no_iowait {
            self.wait_flags |= EnterFlags::NO_IOWAIT;
        }
    }

    pub(crate) fn set_mask(&mut self, mask: Mask) {
        self.mask = mask;
    }

    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }

    pub(crate) fn memory(&self) -> &RingMemory {
        &self.memory
    }

    pub(crate) fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    /// Goes on in the memory into which the kernel has moved the queues.
    ///
    /// # Safety
    /// * `memory` is of this ring, `params` describe it, and all pending entries have room in it.
    pub(crate) unsafe fn move_to(&mut self, memory: RingMemory, params: Params) {
        // SAFETY: the caller says so; the former memory goes at the end of this function.
        unsafe { self.sq.move_to(&memory, &params) };
        // SAFETY: the caller says so.
        unsafe { self.cq.move_to(&memory, &params) };
        self.params = params;
        self.memory = memory;
    }
}

impl<S: SqeShape, C: CqeShape> Drop for Ring<S, C> {
    /// Removes the registered descriptor. Then the fields go: the descriptor, and after it the
    /// memory.
    fn drop(&mut self) {
        if self.owner == process::id() {
            self.kernel.unregister_ring();
        }
    }
}

impl<S: SqeShape, C: CqeShape> fmt::Debug for Ring<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.fd())
            .field("sq_entries", &self.params.sq_entries)
            .field("cq_entries", &self.params.cq_entries)
            .field("setup", &self.capabilities.setup())
            .finish_non_exhaustive()
    }
}
