//! What a kernel says that it offers, at setup.
//!
//! Owns: [`Features`]. Does not own: what has no feature bit (operations have a probe, the rest is
//! found by trial).
//!
//! Mirrors `IORING_FEAT_*`; io_uring_setup(2).

use crate::flags::flags;

flags! {
    /// What the kernel offers, in [`Params::features`](crate::Params::features) (`IORING_FEAT_*`);
    /// io_uring_setup(2).
    pub struct Features(u32) {
        /// One mapping holds both rings, two calls of mmap(2) rather than three.
        const SINGLE_MMAP = 1 << 0 => "IORING_FEAT_SINGLE_MMAP", (5, 4);
        /// Completions are not dropped when the ring is full but kept in a list, which
        /// [`GETEVENTS`](crate::EnterFlags::GETEVENTS) flushes
        /// ([`SqFlags::CQ_OVERFLOW`](crate::SqFlags::CQ_OVERFLOW)). Only without memory are they
        /// lost (EBADR, once).
        const NODROP = 1 << 1 => "IORING_FEAT_NODROP", (5, 5);
        /// What a submission describes (not its data) may be reused when it was consumed.
        const SUBMIT_STABLE = 1 << 2 => "IORING_FEAT_SUBMIT_STABLE", (5, 5);
        /// Offset -1 reads and writes at the file's position, and moves it.
        const RW_CUR_POS = 1 << 3 => "IORING_FEAT_RW_CUR_POS", (5, 6);
        /// Requests run with the credentials of who submitted them, not of who made the ring.
        const CUR_PERSONALITY = 1 << 4 => "IORING_FEAT_CUR_PERSONALITY", (5, 6);
        /// Requests on files that can be polled wait without a worker.
        const FAST_POLL = 1 << 5 => "IORING_FEAT_FAST_POLL", (5, 7);
        /// Polls take 32 event bits, so EPOLLEXCLUSIVE.
        const POLL_32BITS = 1 << 6 => "IORING_FEAT_POLL_32BITS", (5, 9);
        /// A ring with SQPOLL takes ordinary descriptors, not only fixed files.
        const SQPOLL_NONFIXED = 1 << 7 => "IORING_FEAT_SQPOLL_NONFIXED", (5, 11);
        /// [`EnterFlags::EXT_ARG`](crate::EnterFlags::EXT_ARG): waits take a time limit.
        const EXT_ARG = 1 << 8 => "IORING_FEAT_EXT_ARG", (5, 11);
        /// Workers are threads of the process, not kernel threads in disguise.
        const NATIVE_WORKERS = 1 << 9 => "IORING_FEAT_NATIVE_WORKERS", (5, 12);
        /// Registered files and buffers carry tags, and buffers can be updated in place.
        const RSRC_TAGS = 1 << 10 => "IORING_FEAT_RSRC_TAGS", (5, 13);
        /// [`SqeFlags::CQE_SKIP_SUCCESS`](crate::SqeFlags::CQE_SKIP_SUCCESS).
        const CQE_SKIP = 1 << 11 => "IORING_FEAT_CQE_SKIP", (5, 17);
        /// A linked request looks its file up when it starts, so it may use a slot that the one
        /// before it filled.
        const LINKED_FILE = 1 << 12 => "IORING_FEAT_LINKED_FILE", (5, 18);
        /// [`RegisterOp::USE_REGISTERED_RING`](crate::RegisterOp::USE_REGISTERED_RING).
        const REG_REG_RING = 1 << 13 => "IORING_FEAT_REG_REG_RING", (6, 3);
        /// [`RecvSendFlags::BUNDLE`](crate::RecvSendFlags::BUNDLE), and provided buffers for sends.
        const RECVSEND_BUNDLE = 1 << 14 => "IORING_FEAT_RECVSEND_BUNDLE", (6, 10);
        /// [`GetEventsArg::min_wait_usec`](crate::GetEventsArg::min_wait_usec).
        const MIN_TIMEOUT = 1 << 15 => "IORING_FEAT_MIN_TIMEOUT", (6, 12);
        /// Reads and writes take attributes ([`AttrPi`](crate::AttrPi)).
        const RW_ATTR = 1 << 16 => "IORING_FEAT_RW_ATTR", (6, 14);
        /// [`EnterFlags::NO_IOWAIT`](crate::EnterFlags::NO_IOWAIT).
        const NO_IOWAIT = 1 << 17 => "IORING_FEAT_NO_IOWAIT", (6, 15);
    }
}
