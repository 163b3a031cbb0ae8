//! Provided-buffer rings: their registration, their entries, their status.
//!
//! Owns: the structures. Does not own: the memory, nor when an entry is added or published.
//!
//! Mirrors `struct io_uring_buf_reg`, `io_uring_buf`, `io_uring_buf_ring`, `io_uring_buf_status`;
//! io_uring_register_buf_ring(3), io_uring_provided_buffers(7).

use crate::flags::flags;

/// A provided-buffer ring to register or to remove (`struct io_uring_buf_reg`, 40 bytes).
///
/// The ring is `ring_entries` times [`BufRingEntry`], head and tail are 16 bits wide and run
/// freely.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_buf_reg")]
pub struct BufReg {
    /// Address of the ring, page-aligned; 0 with [`BufRegFlags::MMAP`].
    pub ring_addr: u64,
    /// Entries, a power of two, at most 32768.
    pub ring_entries: u32,
    /// The group's id, which [`Sqe::buf_group`](crate::Sqe::buf_group) names.
    pub bgid: u16,
    /// Flags.
    pub flags: BufRegFlags,
    /// The lower half of the first word is `min_left` on newer kernels
    /// ([`set_min_left`](Self::set_min_left)); all else is reserved and zero.
    pub resv: [u64; 3],
}

impl BufReg {
    /// `min_left`: how many bytes must be left in a buffer for the kernel to go on with it.
    #[must_use]
    pub const fn min_left(&self) -> u32 {
        self.resv[0] as u32
    }

    /// Sets `min_left`, for rings with [`BufRegFlags::INC`]: a buffer with fewer bytes left counts
    /// as consumed; 0 means 1. Since Linux 7.1 and its stable backports; EINVAL before.
    ///
    /// ```
    /// # use annulus_abi::BufReg;
    /// let mut reg = BufReg::default();
    /// reg.set_min_left(256);
    /// assert_eq!(reg.min_left(), 256);
    /// ```
    pub const fn set_min_left(&mut self, bytes: u32) {
        self.resv[0] = (self.resv[0] & 0xffff_ffff_0000_0000) | bytes as u64;
    }
}

flags! {
    /// Flags of a provided-buffer ring (`IOU_PBUF_RING_*`).
    pub struct BufRegFlags(u16) {
        /// The kernel allocates the ring; the application maps it at
        /// [`MMAP_PBUF_RING`](crate::MMAP_PBUF_RING).
        const MMAP = 1 << 0 => "IOU_PBUF_RING_MMAP", (6, 4);
        /// Buffers are consumed incrementally: the kernel goes on where the last receive ended,
        /// until a completion without [`BUF_MORE`](crate::CqeFlags::BUF_MORE). It moves the address
        /// and length of the entry as it goes.
        const INC = 1 << 1 => "IOU_PBUF_RING_INC", (6, 12);
    }
}

/// One entry of a provided-buffer ring (`struct io_uring_buf`, 16 bytes).
///
/// The tail of the ring lies in the reserved bytes of entry 0 (`struct io_uring_buf_ring`), at
/// [`TAIL_OFFSET`](Self::TAIL_OFFSET): so whoever fills entry 0 must not write
/// [`resv`](Self::resv). User space writes entries, then stores the tail with release; the kernel's
/// head is not in memory ([`BufStatus`] asks for it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_buf")]
pub struct BufRingEntry {
    /// Address of the buffer.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u32,
    /// Its id (`bid`), which completions name.
    pub bid: u16,
    /// Reserved; in entry 0, the ring's tail.
    pub resv: u16,
}

impl BufRingEntry {
    /// Where the ring's tail (`u16`) lies, in bytes from the start of the ring.
    #[doc(alias = "io_uring_buf_ring")]
    pub const TAIL_OFFSET: usize = core::mem::offset_of!(Self, resv);
}

/// Where the kernel is in a provided-buffer ring (`struct io_uring_buf_status`, 40 bytes), the
/// argument of [`RegisterOp::PBUF_STATUS`](crate::RegisterOp::PBUF_STATUS). Since Linux 6.8.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_buf_status")]
pub struct BufStatus {
    /// In: the group's id (`bgid`).
    pub buf_group: u32,
    /// Out: the head, 16 bits wide.
    pub head: u32,
    /// Reserved; zero.
    pub resv: [u32; 8],
}

const _: () = {
    assert!(size_of::<BufReg>() == 40);
    assert!(core::mem::offset_of!(BufReg, resv) == 16);
    assert!(size_of::<BufRingEntry>() == 16);
    assert!(BufRingEntry::TAIL_OFFSET == 14);
    assert!(size_of::<BufStatus>() == 40);
};
