//! What operations exchange with the kernel besides entries: in buffers and in wide completions.
//!
//! Owns: the structures that a single operation reads or writes. Does not own: those of
//! registration (`register.rs`), nor those of the system calls behind the operations (`libc` has
//! them).
//!
//! Mirrors `struct io_uring_recvmsg_out`, `io_uring_attr_pi`, `io_timespec`, `io_uring_zcrx_cqe`.

/// The start of each buffer that a multishot RECVMSG fills (`struct io_uring_recvmsg_out`, 16
/// bytes).
///
/// Behind it come the name, the control data and the payload. The first two take as much room as
/// the request's `msg_namelen` and `msg_controllen` reserved, however little of it is used, so the
/// payload starts at `16 + msg_namelen + msg_controllen`. A length greater than its room was
/// truncated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_recvmsg_out")]
pub struct RecvmsgOut {
    /// Length of the sender's address.
    pub namelen: u32,
    /// Length of the control data.
    pub controllen: u32,
    /// Length of the payload.
    pub payloadlen: u32,
    /// MSG_TRUNC, MSG_CTRUNC and kin.
    pub flags: u32,
}

/// Protection information of a read or write (`struct io_uring_attr_pi`, 32 bytes), to which
/// [`Sqe::attr_ptr`](crate::Sqe::attr_ptr) points. Since Linux 6.14.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_attr_pi")]
pub struct AttrPi {
    /// What to check (IO_INTEGRITY_CHK_GUARD, _REFTAG, _APPTAG of `<linux/fs.h>`).
    pub flags: u16,
    /// The application tag.
    pub app_tag: u16,
    /// Length of the buffer of protection information, in bytes.
    pub len: u32,
    /// Its address.
    pub addr: u64,
    /// Where the reference tag starts.
    pub seed: u64,
    /// Reserved; zero.
    pub rsvd: u64,
}

impl AttrPi {
    /// Its bit in [`Sqe::attr_type_mask`](crate::Sqe::attr_type_mask).
    #[doc(alias = "IORING_RW_ATTR_FLAG_PI")]
    pub const TYPE: u64 = 1 << 0;
}

/// The extra words of a TX_TIMESTAMP completion (`struct io_timespec`, 16 bytes). Since Linux 6.17.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_timespec")]
pub struct IoTimespec {
    /// Whole seconds (`tv_sec`).
    pub sec: u64,
    /// Nanoseconds (`tv_nsec`).
    pub nsec: u64,
}

/// The extra words of a RECV_ZC completion (`struct io_uring_zcrx_cqe`, 16 bytes). Since Linux
/// 6.15.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_zcrx_cqe")]
pub struct ZcrxCqe {
    /// Where the data lies: the offset in the area in the lower 48 bits, the area above.
    pub off: u64,
    /// Reserved.
    pub pad: u64,
}

impl ZcrxCqe {
    /// The bit from which on [`off`](Self::off) names the area.
    #[doc(alias = "IORING_ZCRX_AREA_SHIFT")]
    pub const AREA_SHIFT: u32 = 48;
    /// The bits of [`off`](Self::off) that name the area.
    #[doc(alias = "IORING_ZCRX_AREA_MASK")]
    pub const AREA_MASK: u64 = !((1 << Self::AREA_SHIFT) - 1);
}

const _: () = {
    assert!(size_of::<RecvmsgOut>() == 16);
    assert!(size_of::<AttrPi>() == 32);
    assert!(size_of::<IoTimespec>() == 16);
    assert!(size_of::<ZcrxCqe>() == 16);
};
