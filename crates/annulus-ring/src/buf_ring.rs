//! A provided-buffer ring: buffers that the kernel picks from when data is there.
//!
//! Owns: the ring's memory and its tail. Does not own: the buffers, nor which of them are out.
//!
//! Invariants: the tail lies in the reserved field of entry 0, so entries are written field by
//! field; a batch of pushes becomes visible with one release store (`tail`); indices run freely and
//! wrap at 2^16; memory that a ring was registered with outlives the registration. Mirrors
//! io_uring_setup_buf_ring(3), io_uring_register_buf_ring(3) and io_uring_buf_ring_add(3).

use core::{mem::offset_of, ptr::NonNull, sync::atomic::AtomicU16};
use std::os::fd::BorrowedFd;

use annulus_abi::{
    BufReg, BufRegFlags, BufRingEntry, BufStatus, Errno, MMAP_PBUF_RING, MMAP_PBUF_SHIFT,
    RegisterOp,
};

use crate::{CqeShape, Kernel, Refusal, RegisterError, Ring, SqeShape, mmap::Mapping, tail};

/// A registered group of provided buffers.
///
/// Dropping it frees the ring of entries without telling the kernel; give it to
/// [`Ring::unregister_buf_ring`] instead, or keep it as long as the [`Ring`].
#[doc(alias = "io_uring_buf_ring")]
pub struct BufRing {
    first: NonNull<BufRingEntry>,
    entries: u16,
    tail: u16,
    bgid: u16,
    flags: BufRegFlags,
    /// What `first` lies in, unless it is the caller's.
    _memory: Option<Mapping>,
}

/// How a group is to be registered: the long form of [`Ring::register_buf_ring`].
///
/// ```
/// use annulus_ring::{BufRingSpec, Ring};
///
/// let mut ring = Ring::new(8).unwrap();
/// let spec = BufRingSpec { bgid: 1, entries: 16, ..BufRingSpec::default() };
/// // SAFETY: it is unregistered below, and no request picks from it.
/// let group = unsafe { ring.register_buf_ring_with(&spec) }.unwrap();
/// ring.unregister_buf_ring(group).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "io_uring_buf_reg")]
pub struct BufRingSpec {
    /// The group's id.
    pub bgid: u16,
    /// How many buffers it can hold: a power of two, at most 32768.
    pub entries: u32,
    /// [`MMAP`](BufRegFlags::MMAP): the kernel allocates the ring of entries (since 6.4).
    /// [`INC`](BufRegFlags::INC): buffers are consumed in pieces (since 6.12).
    pub flags: BufRegFlags,
    /// With `INC`, a buffer with fewer bytes left counts as consumed; 0 means 1. Since 7.1 and its
    /// stable backports; EINVAL before.
    pub min_left: u32,
    /// The caller's memory for the ring of entries, page-aligned; none for memory of our own.
    pub memory: Option<NonNull<BufRingEntry>>,
}

/// The kernel's limit of entries.
const MAX_ENTRIES: u32 = 32768;
const PAGE: usize = 4096;

impl BufRingSpec {
    /// Refuses what no kernel takes.
    fn check(&self) -> Result<(), Refusal> {
        if !self.entries.is_power_of_two() || self.entries > MAX_ENTRIES {
            return Err(Refusal::Entries(self.entries));
        }
        if self.min_left > 0 && !self.flags.contains(BufRegFlags::INC) {
            return Err(Refusal::MinLeft);
        }
        match self.memory {
            Some(memory) if memory.addr().get() % PAGE != 0 => {
                Err(Refusal::Unaligned(memory.addr().get()))
            }
            Some(_) if self.flags.contains(BufRegFlags::MMAP) => {
                Err(Refusal::Kernel(Errno(libc::EINVAL)))
            }
            _ => Ok(()),
        }
    }

    fn bytes(&self) -> usize {
        self.entries as usize * size_of::<BufRingEntry>()
    }

    /// The argument of the registration, for entries at `address`.
    fn registration(&self, address: u64) -> BufReg {
        let mut registration = BufReg {
            ring_addr: address,
            ring_entries: self.entries,
            bgid: self.bgid,
            flags: self.flags,
            ..BufReg::default()
        };
        registration.set_min_left(self.min_left);
        registration
    }

    /// A ring whose entries are at `first`.
    fn ring(&self, first: NonNull<BufRingEntry>, memory: Option<Mapping>) -> BufRing {
        // The largest number of entries, 2^15, fits.
        let entries = self.entries as u16;
        BufRing { first, entries, tail: 0, bgid: self.bgid, flags: self.flags, _memory: memory }
    }

    /// A ring in memory of our own or the caller's, not registered.
    fn allocate(&self) -> Result<BufRing, RegisterError> {
        if let Some(first) = self.memory {
            // SAFETY: whoever registers memory says that it is there for the entries.
            unsafe { first.write_bytes(0, self.entries as usize) };
            return Ok(self.ring(first, None));
        }
        let memory = Mapping::anonymous(self.bytes())
            .map_err(|errno| RegisterError::explain(RegisterOp::PBUF_RING, errno))?;
        Ok(self.ring(memory.start().cast(), Some(memory)))
    }
}

impl BufRing {
    /// The group's id, for [`Sqe::buf_index`](annulus_abi::Sqe::buf_index) with `BUFFER_SELECT`.
    #[must_use]
    pub fn bgid(&self) -> u16 {
        self.bgid
    }

    /// How many buffers the ring can hold.
    #[doc(alias = "io_uring_buf_ring_mask")]
    #[must_use]
    pub fn entries(&self) -> u16 {
        self.entries
    }

    /// How it was registered.
    #[must_use]
    pub fn flags(&self) -> BufRegFlags {
        self.flags
    }

    /// How many buffers were ever pushed, modulo 2^16: what [`Ring::buf_ring_head`] runs after.
    #[must_use]
    pub fn tail(&self) -> u16 {
        self.tail
    }

    /// Puts a buffer at the tail; the kernel sees it after [`publish`](Self::publish).
    ///
    /// # Safety
    /// * `addr` is valid for writes of `len` bytes, by the kernel, at any time until a completion
    ///   names `bid` (without [`CqeFlags::BUF_MORE`](annulus_abi::CqeFlags::BUF_MORE)), or the ring
    ///   of buffers is unregistered and no request that picked from it is in flight.
    /// * At most [`entries`](Self::entries) buffers are in the ring.
    #[doc(alias = "io_uring_buf_ring_add")]
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
    #[doc(alias = "__io_uring_buf_ring_cq_advance")]
    #[doc(alias = "io_uring_buf_ring_cq_advance")]
    #[doc(alias = "io_uring_buf_ring_advance")]
    #[inline]
    pub fn publish(&mut self) {
        // SAFETY: entry 0 exists; its reserved field is the tail.
        let shared = unsafe { &raw mut (*self.first()).resv };
        debug_assert_eq!(offset_of!(BufRingEntry, resv), 14);
        // SAFETY: an aligned u16 in memory that lives as long as `self`; only accessed atomically.
        let shared = unsafe { AtomicU16::from_ptr(shared) };
        tail::publish(shared, self.tail);
    }

    fn first(&self) -> *mut BufRingEntry {
        self.first.as_ptr()
    }
}

// SAFETY: the memory belongs to the process, not to a thread, and only `&mut self` writes it.
unsafe impl Send for BufRing {}
// SAFETY: shared access only reads this structure.
unsafe impl Sync for BufRing {}

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

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers an empty ring of `entries` (a power of two, at most 32768) as group `bgid`.
    ///
    /// # Errors
    /// [`Refusal::Entries`], EEXIST if the group exists, EINVAL if the kernel has no buffer rings
    /// (before 5.19) or not these flags, ENOMEM for want of locked memory ([`Refusal::Memlock`]).
    ///
    /// # Safety
    /// * The result is kept until it is unregistered, or until this ring is closed and no request
    ///   that picks from the group is in flight.
    #[doc(alias = "io_uring_buf_ring_init")]
    #[doc(alias = "io_uring_setup_buf_ring")]
    pub unsafe fn register_buf_ring(
        &mut self,
        entries: u16,
        bgid: u16,
        flags: BufRegFlags,
    ) -> Result<BufRing, RegisterError> {
        let entries = u32::from(entries);
        let spec = BufRingSpec { bgid, entries, flags, ..BufRingSpec::default() };
        // SAFETY: the caller's promise is passed on; there is no memory of the caller's.
        unsafe { self.register_buf_ring_with(&spec) }
    }

    /// Registers an empty ring of buffers as described. If it fails, the group does not exist.
    ///
    /// # Errors
    /// As [`register_buf_ring`](Self::register_buf_ring); [`Refusal::Unaligned`] and
    /// [`Refusal::MinLeft`]; EINVAL for memory of the caller's with [`MMAP`](BufRegFlags::MMAP).
    ///
    /// # Safety
    /// * As for `register_buf_ring`.
    /// * [`memory`](BufRingSpec::memory), if any, is valid for reads and writes of as many entries
    ///   as the ring has, by this side and the kernel alone, as long as the result must be kept.
    #[doc(alias = "io_uring_register_buf_ring")]
    #[doc(alias = "IORING_REGISTER_PBUF_RING")]
    #[doc(alias = "IOU_PBUF_RING_MMAP")]
    #[doc(alias = "IOU_PBUF_RING_INC")]
    pub unsafe fn register_buf_ring_with(
        &mut self,
        spec: &BufRingSpec,
    ) -> Result<BufRing, RegisterError> {
        let op = RegisterOp::PBUF_RING;
        spec.check().map_err(|refusal| RegisterError::new(op, refusal))?;
        if spec.flags.contains(BufRegFlags::MMAP) {
            return self.register_kernel_buf_ring(spec);
        }
        let buffers = spec.allocate()?;
        let mut registration = spec.registration(buffers.first().expose_provenance() as u64);
        // SAFETY: one registration, read during the call; its memory is page-aligned, zeroed, large
        // enough, and stays while the caller keeps its promise.
        unsafe { self.register_one(op, &mut registration, 1) }?;
        Ok(buffers)
    }

    /// Registers a ring that the kernel allocates, and maps it.
    fn register_kernel_buf_ring(&mut self, spec: &BufRingSpec) -> Result<BufRing, RegisterError> {
        let op = RegisterOp::PBUF_RING;
        let mut registration = spec.registration(0);
        // SAFETY: one registration, read during the call; it names no memory.
        unsafe { self.register_one(op, &mut registration, 1) }?;
        let offset = MMAP_PBUF_RING | u64::from(spec.bgid) << MMAP_PBUF_SHIFT;
        // SAFETY: the ring keeps its descriptor open.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd()) };
        match Mapping::of_ring(fd, offset, spec.bytes()) {
            Ok(memory) => Ok(spec.ring(memory.start().cast(), Some(memory))),
            Err(errno) => {
                // The mapping's error counts; that a group just made can be removed is sure.
                let _ = self.unregister_bgid(spec.bgid);
                Err(RegisterError::new(op, Refusal::Kernel(errno)))
            }
        }
    }

    /// Removes a group; its buffers are the caller's again, once no request that picked one is in
    /// flight.
    ///
    /// # Errors
    /// The ring of buffers and the kernel's error, ENOENT if this ring does not have it.
    #[doc(alias = "io_uring_free_buf_ring")]
    #[doc(alias = "io_uring_unregister_buf_ring")]
    pub fn unregister_buf_ring(&mut self, buffers: BufRing) -> Result<(), (BufRing, Errno)> {
        self.unregister_bgid(buffers.bgid).map_err(|errno| (buffers, errno))
    }

    /// How many buffers of a group the kernel has taken, modulo 2^16 (since 6.8). Those between it
    /// and [`BufRing::tail`], as far as they are published, are still to be had.
    ///
    /// # Errors
    /// ENOENT if this ring does not have the group, EINVAL on older kernels.
    #[doc(alias = "io_uring_buf_ring_head")]
    #[doc(alias = "io_uring_buf_ring_available")]
    #[doc(alias = "IORING_REGISTER_PBUF_STATUS")]
    pub fn buf_ring_head(&mut self, buffers: &BufRing) -> Result<u16, RegisterError> {
        let mut status = BufStatus { buf_group: u32::from(buffers.bgid), ..BufStatus::default() };
        // SAFETY: one structure, read and written during the call.
        unsafe { self.register_one(RegisterOp::PBUF_STATUS, &mut status, 1) }?;
        Ok(status.head as u16)
    }

    fn unregister_bgid(&mut self, bgid: u16) -> Result<(), Errno> {
        let mut registration = BufReg { bgid, ..BufReg::default() };
        let arg: *mut BufReg = &mut registration;
        // SAFETY: one registration, read during the call.
        unsafe { self.kernel().register(RegisterOp::UNREGISTER_PBUF_RING, arg.cast(), 1) }.map(drop)
    }
}

#[cfg(test)]
mod tests;
