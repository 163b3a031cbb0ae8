//! The sizes of entries that a ring can have, as types.
//!
//! Owns: [`SqeShape`] and [`CqeShape`], which a [`Ring`](crate::Ring) is generic over, and the
//! walkers that step from one completion to the next. Does not own: the indices (`sq`, `cq`).
//!
//! Invariants: a shape is a type, so a ring of the ordinary sizes has no branch for the others; a
//! ring gets exactly the setup flags of its shapes, so what the kernel writes is what the walker
//! reads; a completion of 32 bytes in a mixed queue never wraps around its end, because the kernel
//! puts a filler there. Mirrors the SQE128, SQE_MIXED, CQE32 and CQE_MIXED of io_uring_setup(2).
//!
//! | ring | submissions | completions | setup flags |
//! |---|---|---|---|
//! | `Ring` | 64 bytes | 16 bytes | none |
//! | `Ring<Sqe128>` | 128 bytes | 16 bytes | `SQE128` |
//! | `Ring<SqeMixed>` | 64 or 128 bytes | 16 bytes | `SQE_MIXED` |
//! | `Ring<Sqe, Cqe32>` | 64 bytes | 32 bytes | `CQE32` |
//! | `Ring<Sqe, CqeMixed>` | 64 bytes | 16 or 32 bytes | `CQE_MIXED` |

use core::fmt::Debug;

use annulus_abi::{Cqe, Cqe32, CqeFlags, Opcode, SetupFlags, Sqe, Sqe128};

pub(crate) use sealed::{Slots, Walk};

/// The size of submission entries: [`Sqe`] (64 bytes), [`Sqe128`], or [`SqeMixed`].
///
/// Sealed: the kernel has no other.
#[doc(alias = "io_uring_sqe_shift")]
#[doc(alias = "io_uring_sqe_shift_from_flags")]
pub trait SqeShape: Slots + Debug {
    /// What the kernel is asked for.
    const SETUP: SetupFlags;
}

/// The size of completions: [`Cqe`] (16 bytes), [`Cqe32`], or [`CqeMixed`].
///
/// Sealed: the kernel has no other.
#[doc(alias = "io_uring_cqe_shift")]
#[doc(alias = "io_uring_cqe_shift_from_flags")]
pub trait CqeShape: Walk + Copy + Debug {
    /// What the kernel is asked for.
    const SETUP: SetupFlags;
    /// Whether each completion takes one slot of the queue.
    const UNIFORM: bool;

    /// The first 16 bytes of a completion.
    fn cqe(&self) -> &Cqe;
}

/// Submission entries of 64 and of 128 bytes in one queue (`SQE_MIXED`, since Linux 6.19): those of
/// 128-byte opcodes ([`Opcode::NOP128`], [`Opcode::URING_CMD128`]) take two places next to each
/// other. See [`Ring::vacant_wide`](crate::Ring::vacant_wide).
#[doc(alias = "IORING_SETUP_SQE_MIXED")]
#[derive(Clone, Copy, Debug)]
pub enum SqeMixed {}

/// A completion of 16 or 32 bytes, of a ring that has both (`CQE_MIXED`, since Linux 6.18).
///
/// The queue is walked slot by slot: a completion with [`CqeFlags::F_32`] takes two, and a filler
/// ([`CqeFlags::SKIP`]), which the kernel puts where two would not fit before the end, is passed
/// over and never seen.
///
/// Such a queue should not overflow on Linux 6.18. If there is room for the filler but not for the
/// wide completion behind it, the next narrow one overwrites the filler and leaves a slot behind it
/// that nobody wrote: an old completion is seen again.
#[doc(alias = "IORING_SETUP_CQE_MIXED")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CqeMixed {
    /// The first 16 bytes.
    pub cqe: Cqe,
    /// The other 16 bytes, of a completion that has them.
    pub extra: Option<[u64; 2]>,
}

impl SqeShape for Sqe {
    const SETUP: SetupFlags = SetupFlags::EMPTY;
}

impl SqeShape for Sqe128 {
    const SETUP: SetupFlags = SetupFlags::SQE128;
}

impl SqeShape for SqeMixed {
    const SETUP: SetupFlags = SetupFlags::SQE_MIXED;
}

impl CqeShape for Cqe {
    const SETUP: SetupFlags = SetupFlags::EMPTY;
    const UNIFORM: bool = true;

    #[inline]
    fn cqe(&self) -> &Cqe {
        self
    }
}

impl CqeShape for Cqe32 {
    const SETUP: SetupFlags = SetupFlags::CQE32;
    const UNIFORM: bool = true;

    #[inline]
    fn cqe(&self) -> &Cqe {
        &self.cqe
    }
}

impl CqeShape for CqeMixed {
    const SETUP: SetupFlags = SetupFlags::CQE_MIXED;
    const UNIFORM: bool = false;

    #[inline]
    fn cqe(&self) -> &Cqe {
        &self.cqe
    }
}

/// A long batch publishes the head after so many slots.
pub(crate) const PUBLISH_EVERY: u32 = 256;

mod sealed {
    use super::Sqe;

    /// What lies in one place of a submission queue.
    pub trait Slots: Copy + 'static {
        /// An entry.
        type Slot: Copy + core::fmt::Debug + 'static;
        /// An entry that is a NOP, all zero.
        const ZERO: Self::Slot;
        /// Its first 64 bytes.
        fn sqe(slot: &mut Self::Slot) -> &mut Sqe;
    }

    /// How to step through a completion queue.
    pub trait Walk: Sized + 'static {
        /// What lies in one place of the queue.
        type Slot: Copy + 'static;

        /// Copies the oldest completion of `head..tail`, and says how many slots lie before the
        /// next one. `None` if there are nothing but fillers.
        ///
        /// # Safety
        /// * `slots` are `mask + 1` slots, of which the kernel filled `head..tail` and leaves them
        ///   alone; `head` is not `tail`.
        unsafe fn first(
            slots: *const Self::Slot,
            mask: u32,
            head: u32,
            tail: u32,
        ) -> (Option<Self>, u32);

        /// Whether a long batch gives slots back where the head moves on to `head`.
        #[inline]
        fn gives_back(_before: u32, head: u32) -> bool {
            head % super::PUBLISH_EVERY == 0
        }
    }
}

impl Slots for Sqe {
    type Slot = Self;
    const ZERO: Self = Self::new(Opcode::NOP);

    #[inline]
    fn sqe(slot: &mut Self) -> &mut Sqe {
        slot
    }
}

impl Slots for Sqe128 {
    type Slot = Self;
    const ZERO: Self = Self { sqe: Sqe::ZERO, cmd_rest: [0; 64] };

    #[inline]
    fn sqe(slot: &mut Self) -> &mut Sqe {
        &mut slot.sqe
    }
}

impl Slots for SqeMixed {
    type Slot = Sqe;
    const ZERO: Sqe = Sqe::ZERO;

    #[inline]
    fn sqe(slot: &mut Sqe) -> &mut Sqe {
        slot
    }
}

impl Walk for Cqe {
    type Slot = Self;

    #[inline]
    unsafe fn first(slots: *const Self, mask: u32, head: u32, _tail: u32) -> (Option<Self>, u32) {
        // SAFETY: the masked index is within the slots.
        let slot = unsafe { slots.add((head & mask) as usize) };
        // SAFETY: the kernel filled it. Any bytes are a `Cqe`.
        (Some(unsafe { slot.read() }), 1)
    }
}

impl Walk for Cqe32 {
    type Slot = Self;

    #[inline]
    unsafe fn first(slots: *const Self, mask: u32, head: u32, _tail: u32) -> (Option<Self>, u32) {
        // SAFETY: the masked index is within the slots.
        let slot = unsafe { slots.add((head & mask) as usize) };
        // SAFETY: the kernel filled it. Any bytes are a `Cqe32`.
        (Some(unsafe { slot.read() }), 1)
    }
}

impl Walk for CqeMixed {
    type Slot = Cqe;

    #[inline]
    unsafe fn first(slots: *const Cqe, mask: u32, head: u32, tail: u32) -> (Option<Self>, u32) {
        let mut at = head;
        while at != tail {
            // SAFETY: the masked index is within the slots.
            let slot = unsafe { slots.add((at & mask) as usize) };
            // SAFETY: `at` is before the tail, so the kernel filled it. Any bytes are a `Cqe`.
            let cqe = unsafe { slot.read() };
            at = at.wrapping_add(1);
            if cqe.flags.contains(CqeFlags::SKIP) {
                continue;
            }
            if !cqe.flags.contains(CqeFlags::F_32) {
                return (Some(Self { cqe, extra: None }), at.wrapping_sub(head));
            }
            debug_assert!(at != tail, "both slots of a completion are published at once");
            // SAFETY: the masked index is within the slots; it is the next one, because no
            // completion wraps.
            let rest = unsafe { slots.add((at & mask) as usize) }.cast::<[u64; 2]>();
            // SAFETY: the second half of a completion that the kernel published as a whole. A slot
            // is as large as two words and aligned like them.
            let extra = unsafe { rest.read() };
            let steps = at.wrapping_add(1).wrapping_sub(head);
            return (Some(Self { cqe, extra: Some(extra) }), steps);
        }
        (None, tail.wrapping_sub(head))
    }

    /// Steps of two may pass over a multiple.
    #[inline]
    fn gives_back(before: u32, head: u32) -> bool {
        before / PUBLISH_EVERY != head / PUBLISH_EVERY
    }
}
