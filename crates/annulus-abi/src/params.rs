//! What io_uring_setup(2) exchanges with the kernel.
//!
//! Owns: [`Params`], the two tables of offsets, and the mmap(2) offsets. The flag words have files
//! of their own (`setup.rs`, `features.rs`, `words.rs`). Does not own: any mapping.
//!
//! Invariants: the layout is the kernel's (asserted below); all reserved words are zero on the way
//! in.
//!
//! Mirrors `struct io_uring_params`; io_uring_setup(2).

use crate::{Features, SetupFlags};

/// What a ring is asked for, and what it turned out to be (`struct io_uring_params`, 120 bytes).
///
/// Read and written by [`setup`](crate::setup); also the argument of
/// [`RegisterOp::RESIZE_RINGS`](crate::RegisterOp::RESIZE_RINGS), which reads the two sizes, CQSIZE
/// and CLAMP, and writes the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_params")]
pub struct Params {
    /// Out: submission entries, the number asked for rounded up to a power of two (at most 32768).
    /// In for a resize.
    pub sq_entries: u32,
    /// In with [`SetupFlags::CQSIZE`], out always: completion entries, a power of two, at least
    /// `sq_entries` and at most 65536. Without CQSIZE twice `sq_entries`.
    pub cq_entries: u32,
    /// In: setup flags.
    pub flags: SetupFlags,
    /// In with [`SetupFlags::SQ_AFF`]: the CPU of the submission thread.
    pub sq_thread_cpu: u32,
    /// In with [`SetupFlags::SQPOLL`]: milliseconds of idling before the submission thread sleeps;
    /// 0 for the default, one second.
    pub sq_thread_idle: u32,
    /// Out: what the kernel offers.
    pub features: Features,
    /// In with [`SetupFlags::ATTACH_WQ`]: the ring whose workers (and submission thread, with
    /// SQPOLL) are shared.
    pub wq_fd: u32,
    /// Reserved; zero.
    pub resv: [u32; 3],
    /// Out: where things are in the submission ring's mapping.
    pub sq_off: SqOffsets,
    /// Out: where things are in the completion ring's mapping.
    pub cq_off: CqOffsets,
}

/// Where the words of the submission ring lie (`struct io_sqring_offsets`, 40 bytes), in bytes from
/// the start of the mapping at [`MMAP_SQ_RING`].
///
/// The mapping is `array + 4 * sq_entries` bytes long (without an index array as long as the
/// completion ring's; with [`Features::SINGLE_MMAP`] both are one mapping of the greater length).
///
/// | word | who writes | ordering |
/// |---|---|---|
/// | `head` | kernel | user space reads it with acquire before it reuses an entry; it moves during io_uring_enter(2), or at any time with SQPOLL |
/// | `tail` | user space | stored with release after the entries and indices; read by the kernel with acquire |
/// | `ring_mask`, `ring_entries` | nobody after setup | plain reads; a resize moves them |
/// | `flags` | kernel | relaxed reads; after the tail was stored for SQPOLL, with a full fence between, lest a sleeping thread be missed |
/// | `dropped` | kernel | relaxed reads |
/// | `array` | user space | before the tail's release |
///
/// Head and tail run freely and wrap at 2³²; `index = tail & ring_mask`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_sqring_offsets")]
pub struct SqOffsets {
    /// `u32`: entries that the kernel has consumed. Written by the kernel.
    pub head: u32,
    /// `u32`: entries that were published. Written by user space.
    pub tail: u32,
    /// `u32`: `entries - 1`.
    pub ring_mask: u32,
    /// `u32`: the number of entries.
    pub ring_entries: u32,
    /// `u32`: the [`SqFlags`](crate::SqFlags) word, written by the kernel.
    pub flags: u32,
    /// `u32`: submissions that the kernel refused because the index array held a bad index.
    pub dropped: u32,
    /// `[u32; entries]`: for each place in the ring the index of its entry. 0 with
    /// [`SetupFlags::NO_SQARRAY`]: there is none, and entries are taken in order.
    pub array: u32,
    /// Reserved.
    pub resv1: u32,
    /// In with [`SetupFlags::NO_MMAP`]: address of the memory for the entries, page-aligned.
    pub user_addr: u64,
}

/// Where the words of the completion ring lie (`struct io_cqring_offsets`, 40 bytes), in bytes from
/// the start of the mapping at [`MMAP_CQ_RING`].
///
/// The mapping is `cqes + cq_entries * size_of::<Cqe>()` bytes long, twice that for the entries
/// with [`SetupFlags::CQE32`].
///
/// | word | who writes | ordering |
/// |---|---|---|
/// | `head` | user space | stored with release after the entries were read; read by the kernel with acquire |
/// | `tail` | kernel | stored with release after the entries; user space reads it with acquire before them |
/// | `ring_mask`, `ring_entries` | nobody after setup | plain reads; a resize moves them |
/// | `overflow` | kernel | relaxed reads |
/// | `cqes` | kernel | between head and tail they are user space's to read |
/// | `flags` | user space | relaxed stores |
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_cqring_offsets")]
pub struct CqOffsets {
    /// `u32`: entries that user space has reaped. Written by user space.
    pub head: u32,
    /// `u32`: entries that were posted. Written by the kernel.
    pub tail: u32,
    /// `u32`: `entries - 1`.
    pub ring_mask: u32,
    /// `u32`: the number of entries.
    pub ring_entries: u32,
    /// `u32`: completions lost. With [`Features::NODROP`] it counts only those for which the kernel
    /// had no memory.
    pub overflow: u32,
    /// `[Cqe; entries]`: the entries.
    pub cqes: u32,
    /// `u32`: the [`CqFlags`](crate::CqFlags) word, written by user space. 0 before Linux 5.8:
    /// there is none.
    pub flags: u32,
    /// Reserved.
    pub resv1: u32,
    /// In with [`SetupFlags::NO_MMAP`]: address of the memory for the rings, page-aligned.
    pub user_addr: u64,
}

/// mmap(2) offset of the submission ring.
#[doc(alias = "IORING_OFF_SQ_RING")]
pub const MMAP_SQ_RING: u64 = 0;
/// mmap(2) offset of the completion ring; not needed with [`Features::SINGLE_MMAP`].
#[doc(alias = "IORING_OFF_CQ_RING")]
pub const MMAP_CQ_RING: u64 = 0x800_0000;
/// mmap(2) offset of the submission entries.
#[doc(alias = "IORING_OFF_SQES")]
pub const MMAP_SQES: u64 = 0x1000_0000;
/// mmap(2) offset of the first provided-buffer ring that the kernel allocated
/// ([`BufRegFlags::MMAP`](crate::BufRegFlags::MMAP)); add `bgid <<` [`MMAP_PBUF_SHIFT`].
#[doc(alias = "IORING_OFF_PBUF_RING")]
pub const MMAP_PBUF_RING: u64 = 0x8000_0000;
/// How far the group id is shifted left in the mmap(2) offset of a provided-buffer ring.
#[doc(alias = "IORING_OFF_PBUF_SHIFT")]
pub const MMAP_PBUF_SHIFT: u32 = 16;
/// The bits of an mmap(2) offset that tell the kinds apart.
#[doc(alias = "IORING_OFF_MMAP_MASK")]
pub const MMAP_MASK: u64 = 0xf800_0000;

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Params>() == 120);
    assert!(size_of::<SqOffsets>() == 40);
    assert!(size_of::<CqOffsets>() == 40);
    assert!(offset_of!(Params, features) == 20);
    assert!(offset_of!(Params, sq_off) == 40);
    assert!(offset_of!(Params, cq_off) == 80);
    assert!(offset_of!(SqOffsets, user_addr) == 32);
    assert!(offset_of!(CqOffsets, user_addr) == 32);
};
