//! Regions of memory that a ring shares with its user.
//!
//! Owns: the description of a region and its registration. Does not own: what lies in it
//! ([`RegWait`](crate::RegWait), a zero-copy refill ring).
//!
//! Mirrors `struct io_uring_region_desc`, `io_uring_mem_region_reg`; io_uring_register_region(3).

use crate::flags::flags;

/// A region of memory (`struct io_uring_region_desc`, 64 bytes). Since Linux 6.13.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_region_desc")]
pub struct RegionDesc {
    /// In with [`RegionFlags::TYPE_USER`]: its address, page-aligned. Else 0.
    pub user_addr: u64,
    /// In: its size in bytes, a multiple of the page.
    pub size: u64,
    /// In: whose memory it is.
    pub flags: RegionFlags,
    /// Reserved; zero.
    pub id: u32,
    /// Out without TYPE_USER: the offset for mmap(2).
    pub mmap_offset: u64,
    /// Reserved; zero.
    pub resv: [u64; 4],
}

flags! {
    /// Flags of a region (`IORING_MEM_REGION_TYPE_*`).
    pub struct RegionFlags(u32) {
        /// The memory is the application's; without this the kernel allocates it.
        const TYPE_USER = 1 << 0 => "IORING_MEM_REGION_TYPE_USER", (6, 13);
    }
}

/// A region to register (`struct io_uring_mem_region_reg`, 32 bytes), the argument of
/// [`RegisterOp::MEM_REGION`](crate::RegisterOp::MEM_REGION). One a ring (EBUSY), for its whole
/// life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_mem_region_reg")]
pub struct MemRegion {
    /// Address of a [`RegionDesc`], which is also written.
    pub region_uptr: u64,
    /// What it is for.
    pub flags: MemRegionFlags,
    /// Reserved; zero.
    pub resv: [u64; 2],
}

flags! {
    /// What a region is for (`IORING_MEM_REGION_*`).
    pub struct MemRegionFlags(u64) {
        /// It holds [`RegWait`](crate::RegWait)s. Only while the ring is disabled (EINVAL).
        const REG_WAIT_ARG = 1 << 0 => "IORING_MEM_REGION_REG_WAIT_ARG", (6, 13);
    }
}

const _: () = {
    assert!(size_of::<RegionDesc>() == 64);
    assert!(size_of::<MemRegion>() == 32);
};
