//! The two flag words that live in the rings' memory.
//!
//! Owns: [`SqFlags`], which the kernel writes, and [`CqFlags`], which user space writes. Where they
//! lie is in [`SqOffsets::flags`](crate::SqOffsets::flags) and
//! [`CqOffsets::flags`](crate::CqOffsets::flags). Does not own: the loads and stores.
//!
//! Mirrors `IORING_SQ_*`, `IORING_CQ_*`; io_uring_setup(2).

use crate::flags::flags;

flags! {
    /// The submission ring's flags word (`IORING_SQ_*`), written by the kernel at any time.
    pub struct SqFlags(u32) {
        /// The submission thread sleeps: enter with [`SQ_WAKEUP`](crate::EnterFlags::SQ_WAKEUP).
        /// Read it after a full fence behind the store of the tail.
        const NEED_WAKEUP = 1 << 0 => "IORING_SQ_NEED_WAKEUP", (5, 1);
        /// Completions overflowed: reap, then enter with
        /// [`GETEVENTS`](crate::EnterFlags::GETEVENTS) to flush them into the ring.
        const CQ_OVERFLOW = 1 << 1 => "IORING_SQ_CQ_OVERFLOW", (5, 8);
        /// Task work waits ([`SetupFlags::TASKRUN_FLAG`](crate::SetupFlags::TASKRUN_FLAG)): enter
        /// with GETEVENTS to run it.
        const TASKRUN = 1 << 2 => "IORING_SQ_TASKRUN", (5, 19);
    }
}

flags! {
    /// The completion ring's flags word (`IORING_CQ_*`), written by user space at any time.
    pub struct CqFlags(u32) {
        /// Do not signal the registered eventfd.
        const EVENTFD_DISABLED = 1 << 0 => "IORING_CQ_EVENTFD_DISABLED", (5, 8);
    }
}
