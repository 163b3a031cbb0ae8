//! The kernel's side of a provided-buffer ring.
//!
//! Owns: reading what was published. Does not own: which buffer is taken, nor the memory.
//! Invariant: see the parent module.

use core::sync::atomic::{AtomicU16, Ordering};

use annulus_abi::{BufReg, BufRegFlags, BufRingEntry};

use super::Span;

/// The memory of a registered group.
#[derive(Debug)]
pub(crate) struct GroupMemory {
    addr: u64,
    entries: u32,
    flags: BufRegFlags,
}

impl GroupMemory {
    /// # Safety
    /// * As `RegisterOp::PBUF_RING` demands, as long as the result lives.
    pub(super) unsafe fn new(reg: &BufReg) -> Self {
        Self { addr: reg.ring_addr, entries: reg.ring_entries, flags: reg.flags }
    }

    pub(crate) fn entries(&self) -> u32 {
        self.entries
    }

    pub(crate) fn is_incremental(&self) -> bool {
        self.flags.contains(BufRegFlags::INC)
    }

    /// How many buffers were published so far, modulo 2^16.
    pub(crate) fn tail(&self) -> u16 {
        // SAFETY: entry 0 exists; the tail lies in its reserved field.
        let tail = unsafe { &raw mut (*self.first()).resv };
        // SAFETY: an aligned u16 that both sides access atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // ORDERING: acquire pairs with the program's release of the tail: the entries are whole.
        tail.load(Ordering::Acquire)
    }

    /// The buffer at a free-running index before the tail.
    pub(crate) fn buffer(&self, index: u16) -> (u16, Span) {
        let entry = self.entry(index);
        // SAFETY: before the tail: whole, and the kernel's to read.
        let addr = unsafe { (*entry).addr };
        // SAFETY: as above.
        let len = unsafe { (*entry).len };
        // SAFETY: as above.
        let bid = unsafe { (*entry).bid };
        // SAFETY: whoever pushed the buffer promised that it is writable until it is given back.
        (bid, unsafe { Span::new(addr, len) })
    }

    /// Moves the start of a buffer that is consumed bit by bit, as the kernel does in place.
    pub(crate) fn advance(&self, index: u16, bytes: u32) {
        let entry = self.entry(index);
        // SAFETY: the entry is the kernel's until the buffer is given back.
        unsafe { (*entry).addr += u64::from(bytes) };
        // SAFETY: as above.
        unsafe { (*entry).len -= bytes };
    }

    fn entry(&self, index: u16) -> *mut BufRingEntry {
        let index = usize::from(index) & (self.entries as usize - 1);
        // SAFETY: the masked index is within the entries.
        unsafe { self.first().add(index) }
    }

    fn first(&self) -> *mut BufRingEntry {
        core::ptr::with_exposed_provenance_mut(self.addr as usize)
    }
}
