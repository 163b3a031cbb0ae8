//! A region of memory that a ring shares with its user, for whatever a kernel has in it.
//!
//! Owns: [`MemoryRegion`], its memory and the three ways to register it: memory of ours, of the
//! caller's, of the kernel's. Does not own: the region of registered waits (`region`), which is the
//! one use that kernels up to 7.x have for it; nor what lies in it.
//!
//! Invariants: the kernel pins the pages for the life of the ring, so unmapping them here takes
//! nothing from it; a ring has one region, of either kind. Mirrors io_uring_register_region(3).

use core::{fmt, ptr::NonNull};

use annulus_abi::{MemRegionFlags, RegisterOp};

use super::{
    Refusal, RegisterError,
    region::{PAGE, Place},
};
use crate::{CqeShape, Ring, SqeShape, mmap::Mapping};

/// Memory that a ring shares with its user.
///
/// It belongs to the ring for that ring's whole life; dropping it merely unmaps it here, and only
/// if it was not the caller's.
pub struct MemoryRegion {
    start: NonNull<u8>,
    bytes: usize,
    _mapping: Option<Mapping>,
}

// SAFETY: it gives nothing but an address and a size; memory and mapping are the process's.
unsafe impl Send for MemoryRegion {}
// SAFETY: as above.
unsafe impl Sync for MemoryRegion {}

impl MemoryRegion {
    /// Where it starts: at a page. What lies there is read and written through this, as the use
    /// that the kernel makes of it allows. Zeroes at first, unless it is the caller's memory.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How large it is in bytes: whole pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn mapped(mapping: Mapping, bytes: usize) -> Self {
        Self { start: mapping.start(), bytes, _mapping: Some(mapping) }
    }
}

impl fmt::Debug for MemoryRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegion").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What is registered for no use in particular.
const IN_GENERAL: MemRegionFlags = MemRegionFlags::EMPTY;

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers memory of this process (since 6.13), at least so many bytes, rounded up to pages.
    /// One a ring, for its life, be it this or a
    /// [wait region](Self::register_wait_region); the ring may be enabled already.
    ///
    /// ```
    /// use annulus_ring::Ring;
    ///
    /// let mut ring = Ring::new(8)?;
    /// match ring.register_region(5000) {
    ///     Ok(region) => assert_eq!(region.bytes(), 8192),
    ///     Err(refused) => println!("{refused}"),
    /// }
    /// # Ok::<(), annulus_ring::SetupError>(())
    /// ```
    ///
    /// # Errors
    /// [`Refusal::RegionBytes`] for no bytes, EBUSY if there is a region, ENOMEM
    /// ([`Refusal::Memlock`]), EINVAL on older kernels ([`Refusal::Lacking`] if they say so).
    #[doc(alias = "io_uring_register_region")]
    #[doc(alias = "IORING_REGISTER_MEM_REGION")]
    #[doc(alias = "io_uring_mem_region_reg")]
    #[doc(alias = "io_uring_region_desc")]
    pub fn register_region(&mut self, bytes: usize) -> Result<MemoryRegion, RegisterError> {
        let bytes = whole_pages(bytes)?;
        let mapping = Mapping::anonymous(bytes)
            .map_err(|errno| RegisterError::explain(RegisterOp::MEM_REGION, errno))?;
        self.share_region(Place::User(mapping.start()), bytes, IN_GENERAL)?;
        Ok(MemoryRegion::mapped(mapping, bytes))
    }

    /// As [`register_region`](Self::register_region), in memory that the kernel allocates and this
    /// process maps.
    ///
    /// # Errors
    /// As `register_region`. If the memory cannot be mapped the region stays registered, and the
    /// ring has no other.
    pub fn register_kernel_region(&mut self, bytes: usize) -> Result<MemoryRegion, RegisterError> {
        let bytes = whole_pages(bytes)?;
        let offset = self.share_region(Place::Kernel, bytes, IN_GENERAL)?;
        Ok(MemoryRegion::mapped(self.map_region(offset, bytes)?, bytes))
    }

    /// As [`register_region`](Self::register_region), in memory of the caller's: huge pages, or a
    /// part of what it shares with other processes.
    ///
    /// # Errors
    /// As `register_region`; [`Refusal::Unaligned`] if it does not start at a page,
    /// [`Refusal::RegionBytes`] if it does not end at one, EFAULT if nothing is mapped there.
    ///
    /// # Safety
    /// * The memory is mapped and writable, and whoever reads or writes it reckons with a kernel
    ///   that does so, too, until the ring is closed.
    #[doc(alias = "IORING_MEM_REGION_TYPE_USER")]
    pub unsafe fn register_region_at(
        &mut self,
        start: NonNull<u8>,
        bytes: usize,
    ) -> Result<MemoryRegion, RegisterError> {
        let refuse = |refusal| RegisterError::new(RegisterOp::MEM_REGION, refusal);
        if start.addr().get() % PAGE != 0 {
            return Err(refuse(Refusal::Unaligned(start.addr().get())));
        }
        if whole_pages(bytes)? != bytes {
            return Err(refuse(Refusal::RegionBytes(bytes)));
        }
        self.share_region(Place::User(start), bytes, IN_GENERAL)?;
        Ok(MemoryRegion { start, bytes, _mapping: None })
    }
}

/// The size rounded up to pages; not that of nothing, nor of more than there is.
fn whole_pages(bytes: usize) -> Result<usize, RegisterError> {
    let whole = bytes.checked_next_multiple_of(PAGE).filter(|whole| (1..1 << 47).contains(whole));
    let refused = RegisterError::new(RegisterOp::MEM_REGION, Refusal::RegionBytes(bytes));
    whole.ok_or(refused)
}
