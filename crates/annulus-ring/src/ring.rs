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

use annulus_abi::{Cqe, EnterFlags, Opcode, Params, SetupFlags, SqFlags, Sqe, SqeFlags};

use crate::{
    AnyKernel, Capabilities, Completions, Kernel, Mask, RingMemory, SetupError, cq::Cq, op::Op,
    sq::Sq,
};

/// One io_uring: a submission queue, a completion queue, and the kernel between them.
///
/// It is bound to the thread that made it (neither `Send` nor `Sync`). After fork(2) the child must
/// not use it: its memory is not inherited. Dropping it there only closes the child's descriptor.
///
/// Dropping it closes the ring, and that is *not* a barrier: requests in flight may still read and
/// write their memory afterwards. Cancel and reap them first.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(annulus_ring::Ring::new(8).unwrap());
/// ```
pub struct Ring {
    pub(crate) sq: Sq,
    pub(crate) cq: Cq,
    pub(crate) kernel: AnyKernel,
    /// Flags of every wait: `NO_IOWAIT` or nothing.
    pub(crate) wait_flags: EnterFlags,
    pub(crate) params: Params,
    capabilities: Capabilities,
    pub(crate) memory: RingMemory,
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

    /// The ring in `memory`, not tested and not enabled.
    ///
    /// # Safety
    /// * `kernel` made `memory` and described it by `params`; nobody else works on it.
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
    #[inline]
    pub unsafe fn vacant(&mut self) -> Option<&mut Sqe> {
        self.sq.vacant()
    }

    /// Pushes a copy of an entry.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn push_sqe(&mut self, sqe: &Sqe) -> Result<(), SqFull> {
        let vacant = self.sq.vacant().ok_or(SqFull)?;
        *vacant = *sqe;
        Ok(())
    }

    /// Pushes a typed operation.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn push<O: Op>(&mut self, op: &O, user_data: u64) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.push_with_flags(op, user_data, SqeFlags::EMPTY) }
    }

    /// Pushes a typed operation with more flags: linked, drained, at once to a worker.
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
        let sqe = self.sq.vacant().ok_or(SqFull)?;
        op.encode(sqe);
        sqe.user_data = user_data;
        sqe.flags |= flags;
        Ok(())
    }

    /// Entries that can be pushed before the queue is full.
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
        self.sq.unconsumed(nth).copied()
    }

    /// Takes back the entry that [`unconsumed`](Self::unconsumed) gives: the kernel never hears of
    /// it. A no-op with `user_data` stands in its place, and in no chain.
    pub fn take_back(&mut self, nth: u32, user_data: u64) -> Option<Sqe> {
        if self.is_sqpoll() {
            return None;
        }
        let place = self.sq.unconsumed(nth)?;
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

    /// Completions that can be reaped now.
    #[must_use]
    #[inline]
    pub fn cq_ready(&self) -> u32 {
        self.cq.ready()
    }

    /// The oldest completion, which stays in the queue.
    #[must_use]
    pub fn peek(&self) -> Option<Cqe> {
        self.cq.peek()
    }

    /// Looks at what is ready now, to be reaped with [`next_seen`](Self::next_seen), and says how
    /// many they are.
    #[inline]
    pub fn look(&mut self) -> u32 {
        self.cq.look()
    }

    /// Reaps the oldest completion that was there at the last [`look`](Self::look): for callers
    /// that need the ring between one completion and the next. With the `None` after the last one,
    /// the slots go back to the kernel.
    #[inline]
    pub fn next_seen(&mut self) -> Option<Cqe> {
        self.cq.next_seen()
    }

    /// Reaps what is ready now, oldest first.
    #[inline]
    pub fn completions(&mut self) -> Completions<'_> {
        self.cq.completions()
    }

    /// Appends all completions that are ready now to `out`, and says how many they were: for
    /// callers that must have the ring back before they look at them.
    #[inline]
    pub fn reap_into(&mut self, out: &mut Vec<Cqe>) -> usize {
        let ready = self.cq.completions();
        let count = ready.len();
        out.extend(ready);
        count
    }

    /// Task work waits for the next enter (with `TASKRUN_FLAG`).
    #[must_use]
    #[inline]
    pub fn task_work_pending(&self) -> bool {
        self.sq.flags().contains(SqFlags::TASKRUN)
    }

    /// Completions wait outside the full queue; reap, then enter, and they come in order.
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

    /// The kernel behind it.
    pub fn kernel(&mut self) -> &mut AnyKernel {
        &mut self.kernel
    }

    /// What the kernel made of the request for a ring.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The ring's descriptor, for `MSG_RING`, poll(2) and the like.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.memory.fd()
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

    pub(crate) fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }
}

impl Drop for Ring {
    /// Removes the registered descriptor; then the fields go: mappings first, the descriptor last.
    fn drop(&mut self) {
        if self.owner == process::id() {
            self.kernel.unregister_ring();
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.fd())
            .field("sq_entries", &self.params.sq_entries)
            .field("cq_entries", &self.params.cq_entries)
            .field("setup", &self.capabilities.setup())
            .finish_non_exhaustive()
    }
}
