//! What io_uring_enter(2) reads besides the rings.
//!
//! Owns: [`EnterFlags`], the argument that says how long to wait ([`GetEventsArg`], or [`RegWait`]
//! in registered memory), and [`Timespec`]. Does not own: when to wait.
//!
//! Mirrors `IORING_ENTER_*`, `struct io_uring_getevents_arg`, `struct io_uring_reg_wait`;
//! io_uring_enter(2).

use crate::flags::flags;

flags! {
    /// Flags of io_uring_enter(2) (`IORING_ENTER_*`).
    ///
    /// They also say what the call's argument is: nothing or a signal mask without EXT_ARG, a
    /// [`GetEventsArg`] with it, an offset to a [`RegWait`] with EXT_ARG and EXT_ARG_REG.
    pub struct EnterFlags(u32) {
        /// Run task work, flush overflowed completions, and wait until `min_complete` are there
        /// (not at all if 0).
        const GETEVENTS = 1 << 0 => "IORING_ENTER_GETEVENTS", (5, 1);
        /// Wake the submission thread of a ring with SQPOLL.
        const SQ_WAKEUP = 1 << 1 => "IORING_ENTER_SQ_WAKEUP", (5, 1);
        /// Wait until the submission thread has made room in the submission queue.
        const SQ_WAIT = 1 << 2 => "IORING_ENTER_SQ_WAIT", (5, 10);
        /// The argument is a [`GetEventsArg`], not a signal mask.
        const EXT_ARG = 1 << 3 => "IORING_ENTER_EXT_ARG", (5, 11);
        /// The descriptor is the index of a registered one
        /// ([`RegisterOp::RING_FDS`](crate::RegisterOp::RING_FDS)).
        const REGISTERED_RING = 1 << 4 => "IORING_ENTER_REGISTERED_RING", (5, 18);
        /// The time limit is a point in time of the ring's clock
        /// ([`RegisterOp::CLOCK`](crate::RegisterOp::CLOCK)), not a length.
        const ABS_TIMER = 1 << 5 => "IORING_ENTER_ABS_TIMER", (6, 12);
        /// Together with EXT_ARG: the argument is the offset in bytes of a [`RegWait`] in the
        /// registered region.
        const EXT_ARG_REG = 1 << 6 => "IORING_ENTER_EXT_ARG_REG", (6, 13);
        /// Do not count the wait as I/O wait, so it neither shows as such nor raises the CPU's
        /// frequency.
        const NO_IOWAIT = 1 << 7 => "IORING_ENTER_NO_IOWAIT", (6, 15);
    }
}

/// How long to wait and with which signals blocked (`struct io_uring_getevents_arg`, 24 bytes): the
/// argument of io_uring_enter(2) with [`EnterFlags::EXT_ARG`].
///
/// The call fails with ETIME when the time is over and fewer than `min_complete` completions are
/// there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_getevents_arg")]
pub struct GetEventsArg {
    /// Address of a signal mask that holds during the wait, as in ppoll(2), or 0.
    pub sigmask: u64,
    /// Its size in bytes (`sigmask_sz`): 8 on Linux.
    #[doc(alias = "sigmask_sz")]
    pub sigmask_bytes: u32,
    /// For this many microseconds wait for `min_complete` completions; after that one is enough.
    /// Needs [`Features::MIN_TIMEOUT`](crate::Features::MIN_TIMEOUT) (6.12); 0 before.
    pub min_wait_usec: u32,
    /// Address of a [`Timespec`], or 0 to wait without limit.
    pub ts: u64,
}

/// A wait in registered memory (`struct io_uring_reg_wait`, 64 bytes): what [`GetEventsArg`] and
/// its [`Timespec`] say, without copying them at each call.
///
/// Lives in a region registered with [`RegisterOp::MEM_REGION`](crate::RegisterOp::MEM_REGION) and
/// [`MemRegionFlags::REG_WAIT_ARG`](crate::MemRegionFlags::REG_WAIT_ARG) while the ring is
/// disabled. Since Linux 6.13.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "io_uring_reg_wait")]
pub struct RegWait {
    /// The time limit; read only with [`RegWaitFlags::TS`].
    pub ts: Timespec,
    /// As [`GetEventsArg::min_wait_usec`].
    pub min_wait_usec: u32,
    /// Which members are valid.
    pub flags: RegWaitFlags,
    /// As [`GetEventsArg::sigmask`].
    pub sigmask: u64,
    /// As [`GetEventsArg::sigmask_bytes`] (`sigmask_sz`).
    #[doc(alias = "sigmask_sz")]
    pub sigmask_bytes: u32,
    /// Reserved; zero.
    pub pad: [u32; 3],
    /// Reserved; zero.
    pub pad2: [u64; 2],
}

flags! {
    /// Which members of a [`RegWait`] are valid (`IORING_REG_WAIT_*`).
    pub struct RegWaitFlags(u32) {
        /// `ts` is a time limit.
        const TS = 1 << 0 => "IORING_REG_WAIT_TS", (6, 13);
    }
}

/// A length or point of time (`struct __kernel_timespec`, 16 bytes, the same on all architectures).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[doc(alias = "__kernel_timespec")]
pub struct Timespec {
    /// Whole seconds (`tv_sec`).
    pub sec: i64,
    /// Nanoseconds (`tv_nsec`), from 0 to 999,999,999.
    pub nsec: i64,
}

impl Timespec {
    /// The time that is `ns` nanoseconds long.
    ///
    /// ```
    /// # use annulus_abi::Timespec;
    /// assert_eq!(Timespec::from_nanos(1_500_000_000), Timespec { sec: 1, nsec: 500_000_000 });
    /// ```
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as i64 }
    }
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<GetEventsArg>() == 24);
    assert!(offset_of!(GetEventsArg, ts) == 16);
    assert!(size_of::<RegWait>() == 64);
    assert!(offset_of!(RegWait, sigmask) == 24);
    assert!(size_of::<Timespec>() == 16);
};
