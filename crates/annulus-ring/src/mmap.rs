//! Mapped memory: of a ring, or anonymous for a provided-buffer ring.
//!
//! Owns: the mapping and its unmapping. Does not own: what is in it.
//!
//! Invariants: a mapping is never inherited by a forked child (`MADV_DONTFORK`), because a child
//! that wrote to it would corrupt its parent's ring; so in a child the addresses may since belong
//! to somebody else, and dropping a mapping there leaves them alone. Mirrors mmap(2) and
//! madvise(2).

use core::ptr::NonNull;
use std::{
    os::fd::{AsRawFd, BorrowedFd},
    process,
};

use annulus_abi::Errno;

/// A mapping of this process, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    owner: u32,
}

impl Mapping {
    /// Maps `bytes` of a ring at one of the `MMAP_*` offsets.
    pub(crate) fn of_ring(fd: BorrowedFd<'_>, offset: u64, bytes: usize) -> Result<Self, Errno> {
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        Self::map(flags, fd.as_raw_fd(), offset, bytes)
    }

    /// Maps `bytes` of zeroed private memory, page-aligned.
    pub(crate) fn anonymous(bytes: usize) -> Result<Self, Errno> {
        Self::map(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0, bytes)
    }

    /// Maps `bytes` of zeroed private memory of huge pages, of 2 MiB where there are several sizes;
    /// `bytes` is a multiple of that.
    pub(crate) fn huge(bytes: usize) -> Result<Self, Errno> {
        let huge = libc::MAP_HUGETLB | libc::MAP_HUGE_2MB;
        Self::map(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | huge, -1, 0, bytes)
    }

    /// Where it starts.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    fn map(flags: i32, fd: i32, offset: u64, bytes: usize) -> Result<Self, Errno> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let at = core::ptr::null_mut();
        // SAFETY: without MAP_FIXED a new mapping overlaps no existing one.
        let start = unsafe { libc::mmap(at, bytes, access, flags, fd, offset as libc::off_t) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let mapping = Self {
            start: NonNull::new(start.cast()).ok_or(Errno(libc::ENOMEM))?,
            bytes,
            owner: process::id(),
        };
        // SAFETY: the range is exactly the mapping just made; the advice only concerns children.
        if unsafe { libc::madvise(start, bytes, libc::MADV_DONTFORK) } != 0 {
            return Err(Errno::last());
        }
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.owner != process::id() {
            return;
        }
        // SAFETY: this process made the range with mmap, owns it alone, and unmaps it once.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(result, 0, "a mapping's own range can be unmapped");
    }
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: shared access only reads the address.
unsafe impl Sync for Mapping {}

#[cfg(test)]
mod tests;
