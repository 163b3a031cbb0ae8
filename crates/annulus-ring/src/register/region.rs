//! A region of memory in which waits are described, so that a call need not copy them.
//!
//! Owns: [`WaitRegion`], its memory and its registration. Does not own: what a wait can say
//! (`wait`).
//!
//! Invariants: the kernel reads the region only while the ring's thread is inside a wait, so a slot
//! is written without synchronisation; the signal mask of a slot lies beside it in memory of ours.
//! Mirrors io_uring_register_region(3).

use core::ptr::NonNull;
use std::os::fd::{BorrowedFd, RawFd};

use annulus_abi::{
    EnterFlags, MemRegion, MemRegionFlags, RegWait, RegWaitFlags, RegionDesc, RegionFlags,
    RegisterOp, Timespec,
};

use super::{Refusal, RegisterError};
use crate::{
    CqeShape, Ring, SqeShape, Wait,
    enter::from_now,
    mmap::Mapping,
    wait::{Limit, MASK_BYTES},
};

/// Waits in registered memory, by slot: each is described once with [`set`](Self::set) and used by
/// any number of [`Ring::wait_in`].
///
/// It belongs to one ring, for that ring's whole life; dropping it merely unmaps it here.
pub struct WaitRegion {
    memory: Mapping,
    ring: RawFd,
    slots: Box<[Slot]>,
}

/// What of a wait is not in the region.
#[derive(Clone, Copy, Default)]
struct Slot {
    want: u32,
    flags: EnterFlags,
    mask: u64,
}

/// Whose memory a region is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    User,
    Kernel,
}

/// Where a region is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In memory of this process, from here on.
    User(NonNull<u8>),
    /// Where the kernel puts it.
    Kernel,
}

/// Of the architectures that this crate is for; regions are whole pages.
pub(super) const PAGE: usize = 4096;

impl WaitRegion {
    /// Describes the wait of a slot from now on.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn set(&mut self, slot: u32, wait: &Wait) {
        let place = &mut self.slots[slot as usize];
        let mut flags = EnterFlags::EXT_ARG | EnterFlags::EXT_ARG_REG;
        let (ts, valid) = match wait.limit {
            Limit::None => (Timespec::default(), RegWaitFlags::EMPTY),
            Limit::For(ns) => (from_now(ns), RegWaitFlags::TS),
            Limit::Until(ns) => {
                flags |= EnterFlags::ABS_TIMER;
                (Timespec::from_nanos(ns), RegWaitFlags::TS)
            }
        };
        *place = Slot { want: wait.want, flags, mask: wait.mask.unwrap_or(0) };
        let mask: *const u64 = &raw const place.mask;
        let masked = wait.mask.is_some();
        let described = RegWait {
            ts,
            min_wait_usec: wait.min_wait_us,
            flags: valid,
            sigmask: if masked { mask.expose_provenance() as u64 } else { 0 },
            sigmask_bytes: if masked { MASK_BYTES } else { 0 },
            ..RegWait::default()
        };
        let first: NonNull<RegWait> = self.memory.start().cast();
        // SAFETY: the slot is one of those that the memory was made for.
        let at = unsafe { first.add(slot as usize) };
        // SAFETY: aligned memory of ours, which the kernel reads only inside of an enter of the
        // ring, and `set` is not called there.
        unsafe { at.write(described) };
    }

    /// How many slots it has.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// What to wait for, how to enter, and where the slot is. `None` if it is another ring's, or
    /// there is no such slot, or nothing was described there.
    pub(crate) fn slot(&self, ring: RawFd, slot: u32) -> Option<(u32, EnterFlags, usize)> {
        let place = self.slots.get(slot as usize)?;
        let described = self.ring == ring && !place.flags.is_empty();
        described.then(|| (place.want, place.flags, slot as usize * size_of::<RegWait>()))
    }
}

impl core::fmt::Debug for WaitRegion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WaitRegion").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers memory for so many waits (since 6.13), on a ring that was built
    /// [`disabled`](crate::Builder::disabled) and is not enabled yet. One a ring, for its life.
    ///
    /// # Errors
    /// [`Refusal::Enabled`], EBUSY if there is a region, ENOMEM ([`Refusal::Memlock`]), EINVAL on
    /// older kernels ([`Refusal::Lacking`] if they say so).
    #[doc(alias = "io_uring_register_wait_reg")]
    #[doc(alias = "io_uring_register_region")]
    #[doc(alias = "IORING_REGISTER_MEM_REGION")]
    pub fn register_wait_region(&mut self, slots: u32) -> Result<WaitRegion, RegisterError> {
        self.wait_region(slots, Owner::User)
    }

    /// As [`register_wait_region`](Self::register_wait_region), in memory that the kernel
    /// allocates and this process maps.
    ///
    /// # Errors
    /// As `register_wait_region`. If the memory cannot be mapped the region stays registered, and
    /// the ring has no other.
    #[doc(alias = "IORING_MEM_REGION_TYPE_USER")]
    pub fn register_kernel_wait_region(&mut self, slots: u32) -> Result<WaitRegion, RegisterError> {
        self.wait_region(slots, Owner::Kernel)
    }

    fn wait_region(&mut self, slots: u32, owner: Owner) -> Result<WaitRegion, RegisterError> {
        let op = RegisterOp::MEM_REGION;
        if self.is_enabled() {
            return Err(RegisterError::new(op, Refusal::Enabled));
        }
        let count = slots.max(1) as usize;
        let bytes = (count * size_of::<RegWait>()).next_multiple_of(PAGE);
        let ours = match owner {
            Owner::User => {
                Some(Mapping::anonymous(bytes).map_err(|errno| RegisterError::explain(op, errno))?)
            }
            Owner::Kernel => None,
        };
        let place = ours.as_ref().map_or(Place::Kernel, |ours| Place::User(ours.start()));
        let offset = self.share_region(place, bytes, MemRegionFlags::REG_WAIT_ARG)?;
        let memory = match ours {
            Some(memory) => memory,
            None => self.map_region(offset, bytes)?,
        };
        let ring = self.fd();
        Ok(WaitRegion { memory, ring, slots: vec![Slot::default(); slots as usize].into() })
    }

    /// Registers memory, or has some made and returns where to map it.
    pub(super) fn share_region(
        &mut self,
        place: Place,
        bytes: usize,
        flags: MemRegionFlags,
    ) -> Result<u64, RegisterError> {
        let mut desc = RegionDesc { size: bytes as u64, ..RegionDesc::default() };
        if let Place::User(start) = place {
            desc.user_addr = start.as_ptr().expose_provenance() as u64;
            desc.flags = RegionFlags::TYPE_USER;
        }
        let desc: *mut RegionDesc = &mut desc;
        let mut region = MemRegion {
            region_uptr: desc.expose_provenance() as u64,
            flags,
            ..MemRegion::default()
        };
        // SAFETY: one region and its description, read and written during the call; the kernel
        // pins the memory, so it outlives our mapping of it.
        unsafe { self.register_one(RegisterOp::MEM_REGION, &mut region, 1) }?;
        // SAFETY: the description above, which the kernel has written to.
        Ok(unsafe { (*desc).mmap_offset })
    }

    pub(crate) fn map_region(&self, offset: u64, bytes: usize) -> Result<Mapping, RegisterError> {
        // SAFETY: the ring keeps its descriptor open.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd()) };
        Mapping::of_ring(fd, offset, bytes)
            .map_err(|errno| RegisterError::new(RegisterOp::MEM_REGION, Refusal::Kernel(errno)))
    }
}
