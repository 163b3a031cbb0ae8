//! Zero-copy receive: a network card's queue that fills the application's memory.
//!
//! Owns: the structures of registration, refill and control. Does not own: the completions
//! ([`ZcrxCqe`](crate::ZcrxCqe)).
//!
//! Mirrors `struct io_uring_zcrx_*`, `struct zcrx_ctrl`; io_uring_register_ifq(3),
//! io_uring_register_zcrx_ctrl(3).

use crate::flags::flags;

/// A receive queue to take (`struct io_uring_zcrx_ifq_reg`, 96 bytes), the argument of
/// [`RegisterOp::ZCRX_IFQ`](crate::RegisterOp::ZCRX_IFQ). Since Linux 6.15.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_zcrx_ifq_reg")]
pub struct ZcrxQueue {
    /// Index of the network interface.
    pub if_idx: u32,
    /// Index of its receive queue.
    pub if_rxq: u32,
    /// In: entries of the refill ring. Out: the same, rounded up to a power of two.
    pub rq_entries: u32,
    /// How to register.
    pub flags: ZcrxRegFlags,
    /// Address of a [`ZcrxArea`].
    pub area_ptr: u64,
    /// Address of a [`RegionDesc`](crate::RegionDesc), for the refill ring.
    pub region_ptr: u64,
    /// Out: where things are in that region.
    pub offsets: ZcrxOffsets,
    /// Out: the queue's id, for [`Sqe::zcrx_ifq_idx`](crate::Sqe::zcrx_ifq_idx).
    pub zcrx_id: u32,
    /// In: the size of a receive page wanted, or 0; reserved before 7.0
    /// ([`ZcrxFeatures::RX_PAGE_SIZE`]).
    pub rx_buf_len: u32,
    /// Reserved; zero.
    pub resv: [u64; 3],
}

flags! {
    /// Flags of taking a queue (`ZCRX_REG_*`).
    pub struct ZcrxRegFlags(u32) {
        /// Take a share in a queue that another ring exported.
        const IMPORT = 1 << 0 => "ZCRX_REG_IMPORT", (6, 19);
        /// No device: all data is copied. For tests.
        const NODEV = 1 << 1 => "ZCRX_REG_NODEV", (7, 1);
    }
}

flags! {
    /// What zero-copy receive can do (`ZCRX_FEATURE_*`).
    pub struct ZcrxFeatures(u32) {
        /// [`ZcrxQueue::rx_buf_len`].
        const RX_PAGE_SIZE = 1 << 0 => "ZCRX_FEATURE_RX_PAGE_SIZE", (7, 0);
    }
}

/// Where the words of the refill ring lie (`struct io_uring_zcrx_offsets`, 32 bytes), in bytes from
/// the start of its region.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_zcrx_offsets")]
pub struct ZcrxOffsets {
    /// The head, written by the kernel.
    pub head: u32,
    /// The tail, written by user space.
    pub tail: u32,
    /// The first [`ZcrxRefill`].
    pub rqes: u32,
    /// Reserved.
    pub resv2: u32,
    /// Reserved.
    pub resv: [u64; 2],
}

/// Memory that the card fills (`struct io_uring_zcrx_area_reg`, 48 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_zcrx_area_reg")]
pub struct ZcrxArea {
    /// Its address, page-aligned; an offset with [`ZcrxAreaFlags::DMABUF`].
    pub addr: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Out: what to or with an offset to return it.
    pub rq_area_token: u64,
    /// What memory it is.
    pub flags: ZcrxAreaFlags,
    /// The descriptor, with [`ZcrxAreaFlags::DMABUF`].
    pub dmabuf_fd: u32,
    /// Reserved; zero.
    pub resv2: [u64; 2],
}

flags! {
    /// Flags of an area (`IORING_ZCRX_AREA_*`).
    pub struct ZcrxAreaFlags(u32) {
        /// The memory is a dma-buf.
        const DMABUF = 1 << 0 => "IORING_ZCRX_AREA_DMABUF", (6, 16);
    }
}

/// An entry of the refill ring: memory given back (`struct io_uring_zcrx_rqe`, 16 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_zcrx_rqe")]
pub struct ZcrxRefill {
    /// The offset of the completion, without its area, or-ed with [`ZcrxArea::rq_area_token`].
    pub off: u64,
    /// Its length in bytes.
    pub len: u32,
    /// Reserved; zero.
    pub pad: u32,
}

/// What to do with a queue (`struct zcrx_ctrl`, 72 bytes), the argument of
/// [`RegisterOp::ZCRX_CTRL`](crate::RegisterOp::ZCRX_CTRL). Since Linux 6.19.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "zcrx_ctrl")]
pub struct ZcrxControl {
    /// The queue's id.
    pub zcrx_id: u32,
    /// What to do.
    pub op: ZcrxControlOp,
    /// Reserved; zero.
    pub resv: [u64; 2],
    /// Out of [`ZcrxControlOp::EXPORT`]: the descriptor (`zc_export.zcrx_fd`). Else reserved; zero.
    #[doc(alias = "zc_export")]
    #[doc(alias = "zc_flush")]
    pub zcrx_fd: u32,
    /// Reserved; zero.
    pub resv2: [u32; 11],
}

/// What to do with a queue (`enum zcrx_ctrl_op`, `ZCRX_CTRL_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
#[doc(alias = "zcrx_ctrl_op")]
pub struct ZcrxControlOp(pub u32);

impl ZcrxControlOp {
    /// Take in what waits in the refill ring. Since Linux 6.19.
    #[doc(alias = "ZCRX_CTRL_FLUSH_RQ")]
    pub const FLUSH_RQ: Self = Self(0);
    /// Make a descriptor with which other rings can share the queue. Since Linux 6.19.
    #[doc(alias = "ZCRX_CTRL_EXPORT")]
    pub const EXPORT: Self = Self(1);
}

const _: () = {
    assert!(size_of::<ZcrxQueue>() == 96);
    assert!(size_of::<ZcrxOffsets>() == 32);
    assert!(size_of::<ZcrxArea>() == 48);
    assert!(size_of::<ZcrxRefill>() == 16);
    assert!(size_of::<ZcrxControl>() == 72);
};
