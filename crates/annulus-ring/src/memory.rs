//! The memory of one ring, as both sides see it.
//!
//! Owns: [`RingMemory`] (where the two rings and the entries are, and what keeps them there) and
//! the shared 32-bit word. Does not own: what the words mean (the `sq` and `cq` modules) or how
//! memory comes to be mapped (the `mmap` module).
//!
//! Invariants: the addresses never change while any clone of the [`RingMemory`] lives; every shared
//! word is only ever accessed atomically. Mirrors the layout part of io_uring_setup(2).

use core::{any::Any, ops::Deref, ptr::NonNull, sync::atomic::AtomicU32};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    os::fd::RawFd,
    sync::Arc,
};

use annulus_abi::{CqOffsets, Cqe, Params, SetupFlags, SqOffsets, Sqe};

/// The two rings and the submission entries of one io_uring, and what keeps them alive.
///
/// The kernel behind the seam makes it, mapped or allocated; the offsets in [`Params`] say where
/// things are in it. A clone is another handle on the same memory, so a kernel that plays the other
/// side in user space keeps one for itself.
#[doc(alias = "io_uring_queue_mmap")]
#[derive(Clone)]
pub struct RingMemory {
    fd: RawFd,
    sq_ring: NonNull<u8>,
    cq_ring: NonNull<u8>,
    sqes: NonNull<Sqe>,
    _keep: Arc<dyn Any + Send + Sync>,
}

impl RingMemory {
    /// Describes the memory of the ring whose descriptor is `fd`; `keep` owns it.
    ///
    /// # Safety
    /// * The three addresses are page- or cache-line-aligned and valid for reads and writes, as far
    ///   as the offsets and sizes in the [`Params`] of the same setup reach, until `keep` is
    ///   dropped.
    /// * Words at those offsets are accessed atomically by both sides; an entry is accessed only by
    ///   the side that the indices give it to.
    #[must_use]
    pub unsafe fn new(
        fd: RawFd,
        sq_ring: NonNull<u8>,
        cq_ring: NonNull<u8>,
        sqes: NonNull<Sqe>,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { fd, sq_ring, cq_ring, sqes, _keep: keep }
    }

    /// Allocates zeroed memory for `params.sq_entries` and `params.cq_entries` and writes into
    /// `params` where things are: for kernels that live in user space, and for tests.
    ///
    /// The masks and sizes are filled in; indices start at 0. The index array is there unless
    /// `params.flags` contains [`SetupFlags::NO_SQARRAY`], and entries are as large as
    /// [`SetupFlags::SQE128`] and [`SetupFlags::CQE32`] say.
    ///
    /// # Panics
    /// If a size is zero or not a power of two.
    #[must_use]
    pub fn allocate(fd: RawFd, params: &mut Params) -> Self {
        assert!(
            params.sq_entries.is_power_of_two() && params.cq_entries.is_power_of_two(),
            "ring sizes are powers of two"
        );
        params.sq_off = SqOffsets {
            head: 0,
            tail: LINE,
            ring_mask: 2 * LINE,
            ring_entries: 2 * LINE + 4,
            flags: 3 * LINE,
            dropped: 3 * LINE + 4,
            array: 4 * LINE,
            ..SqOffsets::default()
        };
        let array_bytes =
            if params.flags.contains(SetupFlags::NO_SQARRAY) { 0 } else { params.sq_entries * 4 };
        let cq_ring_at = (4 * LINE + array_bytes).next_multiple_of(LINE);
        params.cq_off = CqOffsets {
            head: 0,
            tail: LINE,
            ring_mask: 2 * LINE,
            ring_entries: 2 * LINE + 4,
            overflow: 2 * LINE + 8,
            flags: 3 * LINE,
            cqes: 4 * LINE,
            ..CqOffsets::default()
        };
        let cqe_bytes = params.cq_entries as usize * slot_bytes::<Cqe>(params, SetupFlags::CQE32);
        let sqes_at = cq_ring_at as usize + 4 * LINE as usize + cqe_bytes;
        let sqe_bytes = slot_bytes::<Sqe>(params, SetupFlags::SQE128);
        let bytes = sqes_at + params.sq_entries as usize * sqe_bytes;

        let allocation = Allocation::zeroed(bytes, LINE as usize);
        let sq_ring = allocation.start;
        // SAFETY: `cq_ring_at` is less than the allocation's size.
        let cq_ring = unsafe { sq_ring.add(cq_ring_at as usize) };
        // SAFETY: `sqes_at` is less than the allocation's size.
        let sqes = unsafe { sq_ring.add(sqes_at) }.cast::<Sqe>();
        // SAFETY: the three regions are disjoint parts of one allocation, aligned to a cache line,
        // as large as the offsets say, and owned by the `Arc`.
        let memory = unsafe { Self::new(fd, sq_ring, cq_ring, sqes, Arc::new(allocation)) };
        memory.write_sizes(params);
        memory
    }

    /// The ring's descriptor, or the number that a kernel in user space gives instead.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    /// Where the submission ring starts.
    #[must_use]
    pub fn sq_ring(&self) -> NonNull<u8> {
        self.sq_ring
    }

    /// Where the completion ring starts.
    #[must_use]
    pub fn cq_ring(&self) -> NonNull<u8> {
        self.cq_ring
    }

    /// The first submission entry (twice as large with [`SetupFlags::SQE128`]).
    #[must_use]
    pub fn sqes(&self) -> NonNull<Sqe> {
        self.sqes
    }

    pub(crate) fn set_fd(&mut self, fd: RawFd) {
        self.fd = fd;
    }

    fn write_sizes(&self, params: &Params) {
        let words = [
            (self.sq_ring, params.sq_off.ring_mask, params.sq_entries - 1),
            (self.sq_ring, params.sq_off.ring_entries, params.sq_entries),
            (self.cq_ring, params.cq_off.ring_mask, params.cq_entries - 1),
            (self.cq_ring, params.cq_off.ring_entries, params.cq_entries),
        ];
        for (ring, offset, value) in words {
            // SAFETY: the offset is that of a word within `ring`.
            let word = unsafe { Word::at(ring, offset) };
            // ORDERING: relaxed; nobody else has this memory yet.
            word.store(value, core::sync::atomic::Ordering::Relaxed);
        }
    }
}

impl core::fmt::Debug for RingMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RingMemory").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// Bytes of one place in a queue: those of a `T`, or twice as many if `doubled` was granted.
pub(crate) fn slot_bytes<T>(params: &Params, doubled: SetupFlags) -> usize {
    if params.flags.contains(doubled) { 2 * size_of::<T>() } else { size_of::<T>() }
}

/// Bytes of a cache line: words that different sides write are kept this far apart.
const LINE: u32 = 64;

/// A 32-bit word that both sides share.
#[derive(Clone, Copy)]
pub(crate) struct Word(NonNull<AtomicU32>);

impl Word {
    /// The word at `offset` bytes into `ring`.
    ///
    /// # Safety
    /// * `ring + offset` is a 4-byte-aligned word, valid as long as the result or a copy of it is
    ///   used, and only ever accessed atomically.
    pub(crate) unsafe fn at(ring: NonNull<u8>, offset: u32) -> Self {
        // SAFETY: the caller says that the word lies within the memory that starts at `ring`.
        let word = unsafe { ring.add(offset as usize) };
        debug_assert!(word.cast::<AtomicU32>().is_aligned());
        Self(word.cast())
    }
}

impl Deref for Word {
    type Target = AtomicU32;
    #[inline]
    fn deref(&self) -> &AtomicU32 {
        // SAFETY: `at` demands that the word be valid, aligned and atomic for as long as it is
        // used.
        unsafe { self.0.as_ref() }
    }
}

/// Zeroed heap memory with an alignment of its own.
struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
}

impl Allocation {
    fn zeroed(bytes: usize, align: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(1), align)
            .expect("a ring is far smaller than the address space");
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, layout }
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc_zeroed` with this very layout and is freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

// SAFETY: this value only frees the memory; nothing is read or written through it.
unsafe impl Send for Allocation {}
// SAFETY: there is no method that takes `&self`.
unsafe impl Sync for Allocation {}
