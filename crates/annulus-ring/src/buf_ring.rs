//! A provided-buffer ring: buffers that the kernel picks from when data is there.
//!
//! Owns: the ring's memory and its tail. Does not own: the buffers, nor which of them are out.
//!
//! Invariants: the tail lies in the reserved field of entry 0, so entries are written field by
//! field; a batch of pushes becomes visible with one release store; indices run freely and wrap at
//! 2^16. Mirrors io_uring_setup_buf_ring(3) and io_uring_buf_ring_add(3).

use core::{
    mem::offset_of,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

use annulus_abi::{BufReg, BufRegFlags, BufRingEntry, Errno, RegisterOp};

use crate::{Kernel, Ring, mmap::Mapping};

/// A registered group of provided buffers.
///
/// Dropping it frees the ring of entries without telling the kernel; give it to
/// [`Ring::unregister_buf_ring`] instead, or keep it as long as the [`Ring`].
pub struct BufRing {
    memory: Mapping,
    entries: u16,
    tail: u16,
    bgid: u16,
    flags: BufRegFlags,
}

/// The kernel's limit of entries.
const MAX_ENTRIES: u16 = 32768;

impl BufRing {
    /// Memory for a ring that is not registered.
    pub(crate) fn allocate(entries: u16, bgid: u16, flags: BufRegFlags) -> Result<Self, Errno> {
        if !entries.is_power_of_two() || entries > MAX_ENTRIES || flags.contains(BufRegFlags::MMAP)
        {
            return Err(Errno(libc::EINVAL));
        }
        let bytes = usize::from(entries) * size_of::<BufRingEntry>();
        Ok(Self { memory: Mapping::anonymous(bytes)?, entries, tail: 0, bgid, flags })
    }

    /// The group's id, for [`Sqe::buf_index`](annulus_abi::Sqe::buf_index) with `BUFFER_SELECT`.
    #[must_use]
    pub fn bgid(&self) -> u16 {
        self.bgid
    }

    /// How many buffers the ring can hold.
    #[must_use]
    pub fn entries(&self) -> u16 {
        self.entries
    }

    /// How it was registered.
    #[must_use]
    pub fn flags(&self) -> BufRegFlags {
        self.flags
    }

    /// Puts a buffer at the tail; the kernel sees it after [`publish`](Self::publish).
    ///
    /// # Safety
    /// * `addr` is valid for writes of `len` bytes, by the kernel, at any time until a completion
    ///   names `bid` (without [`CqeFlags::BUF_MORE`](annulus_abi::CqeFlags::BUF_MORE)), or the ring
    ///   of buffers is unregistered and no request that picked from it is in flight.
    /// * At most [`entries`](Self::entries) buffers are in the ring.
    #[inline]
    pub unsafe fn push(&mut self, bid: u16, addr: *mut u8, len: u32) {
        let index = self.tail & (self.entries - 1);
        // SAFETY: the masked index is within the entries.
        let entry = unsafe { self.first().add(usize::from(index)) };
        // SAFETY: the slot is free, as the caller promises; field by field, because the last field
        // of entry 0 is the tail, which the kernel reads.
        unsafe { (*entry).addr = addr.expose_provenance() as u64 };
        // SAFETY: as above.
        unsafe { (*entry).len = len };
        // SAFETY: as above.
        unsafe { (*entry).bid = bid };
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows all pushed buffers to the kernel.
    #[inline]
    pub fn publish(&mut self) {
        // SAFETY: entry 0 exists; its reserved field is the tail.
        let tail = unsafe { &raw mut (*self.first()).resv };
        debug_assert_eq!(offset_of!(BufRingEntry, resv), 14);
        // SAFETY: an aligned u16 in memory that lives as long as `self`; only accessed atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // ORDERING: release pairs with the kernel's acquire of the tail: it sees the entries whole.
        tail.store(self.tail, Ordering::Release);
    }

    fn first(&self) -> *mut BufRingEntry {
        let first: NonNull<BufRingEntry> = self.memory.start().cast();
        first.as_ptr()
    }

    fn registration(&self) -> BufReg {
        BufReg {
            ring_addr: self.memory.start().as_ptr().expose_provenance() as u64,
            ring_entries: u32::from(self.entries),
            bgid: self.bgid,
            flags: self.flags,
            ..BufReg::default()
        }
    }
}

impl core::fmt::Debug for BufRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BufRing")
            .field("bgid", &self.bgid)
            .field("entries", &self.entries)
            .field("tail", &self.tail)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// Registers an empty ring of `entries` (a power of two, at most 32768) as group `bgid`.
    ///
    /// # Errors
    /// EEXIST if the group exists, EINVAL if the kernel has no buffer rings (before 5.19) or not
    /// these flags, ENOMEM for want of locked memory.
    ///
    /// # Safety
    /// * The result is kept until it is unregistered, or until this ring is closed and no request
    ///   that picks from the group is in flight.
    pub unsafe fn register_buf_ring(
        &mut self,
        entries: u16,
        bgid: u16,
        flags: BufRegFlags,
    ) -> Result<BufRing, Errno> {
        let buffers = BufRing::allocate(entries, bgid, flags)?;
        let mut registration = buffers.registration();
        let arg: *mut BufReg = &mut registration;
        // SAFETY: one registration, read during the call; its memory is page-aligned, zeroed, large
        // enough, and stays while the caller keeps its promise.
        unsafe { self.kernel().register(RegisterOp::PBUF_RING, arg.cast(), 1) }?;
        Ok(buffers)
    }

    /// Removes a group; its buffers are the caller's again, once no request that picked one is in
    /// flight.
    ///
    /// # Errors
    /// The ring of buffers and the kernel's error, ENOENT if this ring does not have it.
    pub fn unregister_buf_ring(&mut self, buffers: BufRing) -> Result<(), (BufRing, Errno)> {
        let mut registration = BufReg { bgid: buffers.bgid, ..BufReg::default() };
        let arg: *mut BufReg = &mut registration;
        // SAFETY: one registration, read during the call.
        let result =
            unsafe { self.kernel().register(RegisterOp::UNREGISTER_PBUF_RING, arg.cast(), 1) };
        match result {
            Ok(_) => Ok(()),
            Err(errno) => Err((buffers, errno)),
        }
    }
}

#[cfg(test)]
mod tests;
