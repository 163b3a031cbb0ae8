//! Receive queues of network cards that fill memory of this process.
//!
//! Owns: taking a queue, its refill ring's memory, and control of it. Does not own: receiving
//! (`RECV_ZC`), nor when memory is given back.
//!
//! Invariant: what the card may write to stays mapped until the ring is closed. Mirrors
//! io_uring_register_ifq(3), io_uring_register_zcrx_ctrl(3).

use core::ptr::NonNull;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use annulus_abi::{
    RegionDesc, RegionFlags, RegisterOp, ZcrxArea, ZcrxControl, ZcrxControlOp, ZcrxOffsets,
    ZcrxQueue, ZcrxRefill, ZcrxRegFlags,
};

use super::RegisterError;
use crate::{CqeShape, Ring, SqeShape, mmap::Mapping};

/// Which queue to take, and what it fills.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "io_uring_zcrx_ifq_reg")]
pub struct ZcrxSpec {
    /// Index of the network interface.
    pub interface: u32,
    /// Index of its receive queue.
    pub queue: u32,
    /// Entries of the refill ring; the kernel rounds up to a power of two.
    pub refill_entries: u32,
    /// How to take it.
    pub flags: ZcrxRegFlags,
    /// Size of a receive page wanted, or 0; since 7.0.
    pub page_bytes: u32,
    /// The memory to be filled: page-aligned address and length.
    pub area: (*mut u8, usize),
}

/// A receive queue that a ring has taken. It is given back when the ring is closed.
#[derive(Debug)]
pub struct ZcrxIfq {
    queue: ZcrxQueue,
    area_token: u64,
    refill: Mapping,
}

const PAGE: usize = 4096;

impl ZcrxIfq {
    /// Its id, for [`Sqe::zcrx_ifq_idx`](annulus_abi::Sqe::zcrx_ifq_idx).
    #[must_use]
    pub fn id(&self) -> u32 {
        self.queue.zcrx_id
    }

    /// Entries of the refill ring.
    #[must_use]
    pub fn refill_entries(&self) -> u32 {
        self.queue.rq_entries
    }

    /// Where the refill ring's words are in its memory.
    #[must_use]
    pub fn offsets(&self) -> ZcrxOffsets {
        self.queue.offsets
    }

    /// The refill ring's memory.
    #[must_use]
    pub fn refill_ring(&self) -> NonNull<u8> {
        self.refill.start()
    }

    /// What to or with an offset within the area when it is given back
    /// ([`ZcrxRefill::off`]).
    #[must_use]
    pub fn area_token(&self) -> u64 {
        self.area_token
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Takes a receive queue of a network card (since 6.15). Needs CAP_NET_ADMIN, a ring with
    /// DEFER_TASKRUN and with CQE32 or CQE_MIXED, and a card that splits headers from data.
    ///
    /// # Errors
    /// EPERM, EINVAL (not such a ring, no refill entries), ENODEV (no such interface), EOPNOTSUPP
    /// (not such a card), EBUSY and EEXIST (the queue is taken), ENOMEM.
    ///
    /// # Safety
    /// * `spec.area` is memory that nobody else accesses, but where a completion of `RECV_ZC` says
    ///   that data is and until that is given back, from now until the ring is closed and the
    ///   kernel has let it go.
    #[doc(alias = "io_uring_register_ifq")]
    #[doc(alias = "IORING_REGISTER_ZCRX_IFQ")]
    pub unsafe fn register_zcrx_ifq(&mut self, spec: &ZcrxSpec) -> Result<ZcrxIfq, RegisterError> {
        let op = RegisterOp::ZCRX_IFQ;
        let entries = spec.refill_entries.max(1).next_power_of_two() as usize;
        // A page for the words, whatever their layout.
        let bytes = PAGE + (entries * size_of::<ZcrxRefill>()).next_multiple_of(PAGE);
        let refill =
            Mapping::anonymous(bytes).map_err(|errno| RegisterError::explain(op, errno))?;
        let mut region = RegionDesc {
            user_addr: refill.start().as_ptr().expose_provenance() as u64,
            size: bytes as u64,
            flags: RegionFlags::TYPE_USER,
            ..RegionDesc::default()
        };
        let (start, area_bytes) = spec.area;
        let mut area = ZcrxArea {
            addr: start.expose_provenance() as u64,
            len: area_bytes as u64,
            ..ZcrxArea::default()
        };
        let (region, area): (*mut RegionDesc, *mut ZcrxArea) = (&mut region, &mut area);
        let mut queue = ZcrxQueue {
            if_idx: spec.interface,
            if_rxq: spec.queue,
            rq_entries: spec.refill_entries,
            flags: spec.flags,
            area_ptr: area.expose_provenance() as u64,
            region_ptr: region.expose_provenance() as u64,
            rx_buf_len: spec.page_bytes,
            ..ZcrxQueue::default()
        };
        // SAFETY: three structures, read and written during the call; the area is lent as the
        // caller promises, and the kernel pins the refill ring.
        unsafe { self.register_one(op, &mut queue, 1) }?;
        // SAFETY: the area's description above, which the kernel has written to.
        let area_token = unsafe { (*area).rq_area_token };
        Ok(ZcrxIfq { queue, area_token, refill })
    }

    /// Makes the kernel take in what waits in the refill ring of a queue (since 6.19).
    ///
    /// # Errors
    /// ENXIO if there is no such queue, [`Refusal::Lacking`](super::Refusal::Lacking).
    #[doc(alias = "io_uring_register_zcrx_ctrl")]
    #[doc(alias = "ZCRX_CTRL_FLUSH_RQ")]
    pub fn flush_zcrx(&mut self, id: u32) -> Result<(), RegisterError> {
        self.control_zcrx(id, ZcrxControlOp::FLUSH_RQ).map(drop)
    }

    /// Makes a descriptor with which another ring can take a share in a queue
    /// ([`ZcrxRegFlags::IMPORT`], since 6.19).
    ///
    /// # Errors
    /// As [`flush_zcrx`](Self::flush_zcrx), and EMFILE.
    #[doc(alias = "ZCRX_CTRL_EXPORT")]
    pub fn export_zcrx(&mut self, id: u32) -> Result<OwnedFd, RegisterError> {
        let fd = self.control_zcrx(id, ZcrxControlOp::EXPORT)?;
        // SAFETY: the kernel just made this descriptor, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }

    fn control_zcrx(&mut self, id: u32, op: ZcrxControlOp) -> Result<u32, RegisterError> {
        let mut control = ZcrxControl { zcrx_id: id, op, ..ZcrxControl::default() };
        // SAFETY: one structure, read and written during the call.
        unsafe { self.register_one(RegisterOp::ZCRX_CTRL, &mut control, 0) }?;
        Ok(control.zcrx_fd)
    }
}
