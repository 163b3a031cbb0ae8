//! Names of tasks and cores: 64-bit values that are compared, never dereferenced.
//!
//! ```text
//!            63        54 53                       28 27                          0
//! TaskId    | slot  (10) | index                (26) | generation            (28) |
//! CoreId    | epoch                                        (54)   | slot     (10) |
//! ```
//!
//! Invariants: the index of a task is never 0 (0 is *nil* in every list of indices), so a `TaskId`
//! is never zero; the epoch of a live core is odd, so a `CoreId` is never zero either.

use std::fmt;
use std::num::NonZeroU64;

pub(crate) const SLOT_BITS: u32 = 10;
pub(crate) const INDEX_BITS: u32 = 26;
pub(crate) const GENERATION_BITS: u32 = 28;

pub(crate) const SLOT_LIMIT: u32 = 1 << SLOT_BITS;
pub(crate) const INDEX_LIMIT: u32 = 1 << INDEX_BITS;
pub(crate) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
const EPOCH_MASK: u64 = (1 << (64 - SLOT_BITS)) - 1;

/// The name of one task of one core.
///
/// It fits the data word of a waker. A name that outlived its task is *stale*: it is never that of
/// another task, so waking or aborting it does nothing. (That of the future of `block_on`, which
/// has no task, may wake another such future for nothing, after 2^28 executors in the same slot.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct TaskId(NonZeroU64);

impl TaskId {
    pub(crate) fn new(slot: u32, index: u32, generation: u32) -> Self {
        debug_assert!(slot < SLOT_LIMIT && index < INDEX_LIMIT && generation <= GENERATION_MASK);
        let bits = (u64::from(slot) << (INDEX_BITS + GENERATION_BITS))
            | (u64::from(index) << GENERATION_BITS)
            | u64::from(generation);
        Self(NonZeroU64::new(bits).expect("a task's index and generation are never both zero"))
    }

    /// The 64 bits of the name.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The name with these bits; `None` for zero, which names nothing.
    ///
    /// Any bits are allowed: a name that was never given out is stale.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// The registry slot of the task's core.
    #[must_use]
    pub const fn slot(self) -> u32 {
        (self.to_bits() >> (INDEX_BITS + GENERATION_BITS)) as u32
    }

    /// The place of the task among those of its core.
    #[must_use]
    pub const fn index(self) -> u32 {
        (self.to_bits() >> GENERATION_BITS) as u32 & (INDEX_LIMIT - 1)
    }

    /// How many tasks had this place before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.to_bits() as u32 & GENERATION_MASK
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({}:{}.{})", self.slot(), self.index(), self.generation())
    }
}

/// The name of a core that lives or has lived: a registry slot and its epoch, unique for the life
/// of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct CoreId(NonZeroU64);

impl CoreId {
    pub(crate) fn new(slot: u32, epoch: u64) -> Self {
        debug_assert!(slot < SLOT_LIMIT && epoch & 1 == 1 && epoch <= EPOCH_MASK);
        let bits = ((epoch & EPOCH_MASK) << SLOT_BITS) | u64::from(slot);
        Self(NonZeroU64::new(bits).expect("the epoch of a live core is odd"))
    }

    /// The 64 bits of the name.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The name with these bits; `None` for zero, which names nothing.
    ///
    /// Any bits are allowed: a core that never lived is closed.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// The registry slot, below 1024. Cores that live at the same time have different slots.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.to_bits() as u32 & (SLOT_LIMIT - 1)
    }

    /// Which claim of the slot this core is; odd for every core that ever lived.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.to_bits() >> SLOT_BITS
    }
}

impl fmt::Debug for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoreId({}@{})", self.slot(), self.epoch())
    }
}

#[cfg(test)]
mod tests;
