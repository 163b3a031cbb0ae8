//! Arguments that set how a ring works: busy-polling, clock, workers; and cancelling synchronously.
//!
//! Owns: the structures. Mirrors `struct io_uring_napi`, `io_uring_clock_register`,
//! `enum io_wq_type`, `struct io_uring_sync_cancel_reg`; io_uring_register_napi(3),
//! io_uring_register_clock(3), io_uring_register_iowq_max_workers(3),
//! io_uring_register_sync_cancel(3).

use crate::{CancelFlags, Opcode, Timespec};

/// What to cancel, and how long to wait for it (`struct io_uring_sync_cancel_reg`, 64 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_sync_cancel_reg")]
pub struct SyncCancel {
    /// The user data to match.
    pub addr: u64,
    /// The descriptor to match.
    pub fd: i32,
    /// How to match.
    pub flags: CancelFlags,
    /// How long to wait; -1 and -1 for ever.
    pub timeout: Timespec,
    /// The opcode to match, with [`CancelFlags::OP`].
    pub opcode: Opcode,
    /// Reserved; zero.
    pub pad: [u8; 7],
    /// Reserved; zero.
    pub pad2: [u64; 3],
}

impl SyncCancel {
    /// No limit of time.
    const FOR_EVER: Timespec = Timespec { sec: -1, nsec: -1 };

    /// Cancels a request with this user data, however long that takes.
    ///
    /// ```
    /// use annulus_abi::{CancelFlags, SyncCancel, Timespec};
    ///
    /// let reads = SyncCancel::of_fd(7).all().within(Timespec::from_nanos(1_000_000));
    /// assert_eq!(reads.flags, CancelFlags::FD | CancelFlags::ALL);
    /// ```
    #[must_use]
    pub const fn of_user_data(user_data: u64) -> Self {
        Self { addr: user_data, ..Self::matching(CancelFlags::EMPTY) }
    }

    /// Cancels a request on this descriptor.
    #[must_use]
    pub const fn of_fd(fd: i32) -> Self {
        Self { fd, ..Self::matching(CancelFlags::FD) }
    }

    /// Cancels a request on this slot of the fixed-file table.
    #[must_use]
    pub const fn of_slot(slot: u32) -> Self {
        Self { fd: slot as i32, ..Self::matching(CancelFlags::FD.union(CancelFlags::FD_FIXED)) }
    }

    /// Cancels a request of this opcode. Since Linux 6.6.
    #[must_use]
    pub const fn of_op(opcode: Opcode) -> Self {
        Self { opcode, ..Self::matching(CancelFlags::OP) }
    }

    /// Cancels every request, as [`all`](Self::all) does.
    #[must_use]
    pub const fn any() -> Self {
        Self::matching(CancelFlags::ANY)
    }

    /// Cancels all that match, not only the first; the call then counts them, and that there is
    /// none is no error.
    #[must_use]
    pub const fn all(mut self) -> Self {
        self.flags = self.flags.union(CancelFlags::ALL);
        self
    }

    /// Matches this user data besides what else must match. Since Linux 6.6.
    #[must_use]
    pub const fn with_user_data(mut self, user_data: u64) -> Self {
        self.addr = user_data;
        self.flags = self.flags.union(CancelFlags::USERDATA);
        self
    }

    /// Waits only so long for what was cancelled to be gone (ETIME).
    #[must_use]
    pub const fn within(mut self, time: Timespec) -> Self {
        self.timeout = time;
        self
    }

    const fn matching(flags: CancelFlags) -> Self {
        Self {
            addr: 0,
            fd: -1,
            flags,
            timeout: Self::FOR_EVER,
            opcode: Opcode(0),
            pad: [0; 7],
            pad2: [0; 3],
        }
    }
}

/// Busy-polling of network cards (`struct io_uring_napi`, 16 bytes), the argument of
/// [`RegisterOp::NAPI`](crate::RegisterOp::NAPI) and
/// [`UNREGISTER_NAPI`](crate::RegisterOp::UNREGISTER_NAPI). Since Linux 6.9.
///
/// It succeeds without any card that could be polled. Both calls write the former settings back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_napi")]
pub struct Napi {
    /// How long to poll, in microseconds.
    pub busy_poll_to: u32,
    /// 1: prefer polling to interrupts.
    pub prefer_busy_poll: u8,
    /// What to do; reserved before 6.13.
    pub opcode: NapiOp,
    /// Reserved; zero.
    pub pad: [u8; 2],
    /// With [`NapiOp::REGISTER`] a [`NapiTracking`], else the NAPI id (SO_INCOMING_NAPI_ID);
    /// reserved before 6.13.
    pub op_param: u32,
    /// Reserved; zero.
    pub resv: u32,
}

/// What a [`Napi`] does (`enum io_uring_napi_op`, `IO_URING_NAPI_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
#[doc(alias = "io_uring_napi_op")]
pub struct NapiOp(pub u8);

impl NapiOp {
    /// Set the times and the tracking. Since Linux 6.9.
    #[doc(alias = "IO_URING_NAPI_REGISTER_OP")]
    pub const REGISTER: Self = Self(0);
    /// Poll this id too, with [`NapiTracking::STATIC`]. Since Linux 6.13.
    #[doc(alias = "IO_URING_NAPI_STATIC_ADD_ID")]
    pub const STATIC_ADD_ID: Self = Self(1);
    /// Poll this id no more. Since Linux 6.13.
    #[doc(alias = "IO_URING_NAPI_STATIC_DEL_ID")]
    pub const STATIC_DEL_ID: Self = Self(2);
}

/// Which cards are polled (`enum io_uring_napi_tracking_strategy`, `IO_URING_NAPI_TRACKING_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
#[doc(alias = "io_uring_napi_tracking_strategy")]
pub struct NapiTracking(pub u32);

impl NapiTracking {
    /// Those of the sockets in use, found as they are used. Since Linux 6.9.
    #[doc(alias = "IO_URING_NAPI_TRACKING_DYNAMIC")]
    pub const DYNAMIC: Self = Self(0);
    /// Those that were added. Since Linux 6.13.
    #[doc(alias = "IO_URING_NAPI_TRACKING_STATIC")]
    pub const STATIC: Self = Self(1);
    /// None: no busy-polling is registered. Only read back. Since Linux 6.13.
    #[doc(alias = "IO_URING_NAPI_TRACKING_INACTIVE")]
    pub const INACTIVE: Self = Self(255);
}

/// The clock of waits (`struct io_uring_clock_register`, 16 bytes), the argument of
/// [`RegisterOp::CLOCK`](crate::RegisterOp::CLOCK). Since Linux 6.12.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_clock_register")]
pub struct ClockRegister {
    /// CLOCK_MONOTONIC (the default) or CLOCK_BOOTTIME.
    pub clockid: u32,
    /// Reserved; zero.
    pub resv: [u32; 3],
}

/// The two kinds of worker threads (`enum io_wq_type`): indices of
/// [`RegisterOp::IOWQ_MAX_WORKERS`](crate::RegisterOp::IOWQ_MAX_WORKERS).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(usize)]
#[doc(alias = "io_wq_type")]
pub enum WorkerKind {
    /// For work that ends in bounded time: regular files and block devices. By default at most the
    /// smaller of the submission entries and four a CPU.
    #[doc(alias = "IO_WQ_BOUND")]
    Bound = 0,
    /// For work that may take for ever: sockets, pipes, devices. By default RLIMIT_NPROC.
    #[doc(alias = "IO_WQ_UNBOUND")]
    Unbound = 1,
}

const _: () = {
    assert!(size_of::<SyncCancel>() == 64);
    assert!(size_of::<Napi>() == 16);
    assert!(core::mem::offset_of!(Napi, op_param) == 8);
    assert!(size_of::<ClockRegister>() == 16);
};
