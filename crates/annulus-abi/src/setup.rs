//! The flags that io_uring_setup(2) reads.
//!
//! Owns: [`SetupFlags`] and which of them go together. Does not own: which to ask for, in which
//! order to give them up.
//!
//! Mirrors `IORING_SETUP_*`; io_uring_setup(2), io_uring_setup_flags(7).

use crate::flags::flags;

flags! {
    /// Setup flags, in [`Params::flags`](crate::Params::flags) (`IORING_SETUP_*`);
    /// io_uring_setup_flags(7).
    ///
    /// An unknown flag, or one of these combinations, is EINVAL: DEFER_TASKRUN without
    /// SINGLE_ISSUER; TASKRUN_FLAG without COOP_TASKRUN or DEFER_TASKRUN; SQPOLL with COOP_TASKRUN,
    /// TASKRUN_FLAG or DEFER_TASKRUN; SQ_AFF without SQPOLL; HYBRID_IOPOLL without IOPOLL;
    /// REGISTERED_FD_ONLY without NO_MMAP; CQE_MIXED with CQE32; SQE_MIXED with SQE128; SQ_REWIND
    /// without NO_SQARRAY or with SQPOLL; CQSIZE with fewer completion than submission entries.
    pub struct SetupFlags(u32) {
        /// Busy-poll the device for completions, inside io_uring_enter(2). Only for files opened
        /// with O_DIRECT on devices with poll queues; most other operations are EINVAL on such a
        /// ring.
        const IOPOLL = 1 << 0 => "IORING_SETUP_IOPOLL", (5, 1);
        /// A kernel thread takes submissions, so that submitting needs no system call while it is
        /// awake ([`SqFlags::NEED_WAKEUP`](crate::SqFlags::NEED_WAKEUP)). It burns a CPU.
        const SQPOLL = 1 << 1 => "IORING_SETUP_SQPOLL", (5, 1);
        /// The submission thread is bound to
        /// [`Params::sq_thread_cpu`](crate::Params::sq_thread_cpu).
        const SQ_AFF = 1 << 2 => "IORING_SETUP_SQ_AFF", (5, 1);
        /// [`Params::cq_entries`](crate::Params::cq_entries) is valid on the way in.
        const CQSIZE = 1 << 3 => "IORING_SETUP_CQSIZE", (5, 5);
        /// Clamp sizes that are too large, rather than fail.
        const CLAMP = 1 << 4 => "IORING_SETUP_CLAMP", (5, 6);
        /// Share the workers of [`Params::wq_fd`](crate::Params::wq_fd).
        const ATTACH_WQ = 1 << 5 => "IORING_SETUP_ATTACH_WQ", (5, 6);
        /// Start disabled: nothing can be submitted (EBADFD) until
        /// [`RegisterOp::ENABLE_RINGS`](crate::RegisterOp::ENABLE_RINGS), whose caller becomes the
        /// single issuer.
        const R_DISABLED = 1 << 6 => "IORING_SETUP_R_DISABLED", (5, 10);
        /// Go on submitting after an entry that failed; its completion tells of the failure either
        /// way.
        const SUBMIT_ALL = 1 << 7 => "IORING_SETUP_SUBMIT_ALL", (5, 18);
        /// Do not interrupt the task for task work; run it at its next transition into the kernel.
        const COOP_TASKRUN = 1 << 8 => "IORING_SETUP_COOP_TASKRUN", (5, 19);
        /// Set [`SqFlags::TASKRUN`](crate::SqFlags::TASKRUN) when task work waits.
        const TASKRUN_FLAG = 1 << 9 => "IORING_SETUP_TASKRUN_FLAG", (5, 19);
        /// All submission entries are 128 bytes ([`Sqe128`](crate::Sqe128)).
        const SQE128 = 1 << 10 => "IORING_SETUP_SQE128", (5, 19);
        /// All completion entries are 32 bytes ([`Cqe32`](crate::Cqe32)).
        const CQE32 = 1 << 11 => "IORING_SETUP_CQE32", (5, 19);
        /// One task only submits: the one that made the ring or, with R_DISABLED, enabled it.
        /// Others get EEXIST.
        const SINGLE_ISSUER = 1 << 12 => "IORING_SETUP_SINGLE_ISSUER", (6, 0);
        /// Run task work only when the single issuer enters with
        /// [`GETEVENTS`](crate::EnterFlags::GETEVENTS); without that nothing completes.
        const DEFER_TASKRUN = 1 << 13 => "IORING_SETUP_DEFER_TASKRUN", (6, 1);
        /// The application brings the memory of rings and entries. Each must be contiguous in
        /// physical memory (a huge page) on older kernels.
        const NO_MMAP = 1 << 14 => "IORING_SETUP_NO_MMAP", (6, 5);
        /// Return the index of a registered ring descriptor and make no ordinary one.
        const REGISTERED_FD_ONLY = 1 << 15 => "IORING_SETUP_REGISTERED_FD_ONLY", (6, 5);
        /// No index array: entries are submitted in the order of the ring.
        const NO_SQARRAY = 1 << 16 => "IORING_SETUP_NO_SQARRAY", (6, 6);
        /// Sleep for about half the usual time, then poll: less CPU than IOPOLL alone.
        const HYBRID_IOPOLL = 1 << 17 => "IORING_SETUP_HYBRID_IOPOLL", (6, 13);
        /// Completions of 16 and 32 bytes in one ring ([`CqeFlags::F_32`](crate::CqeFlags::F_32),
        /// [`SKIP`](crate::CqeFlags::SKIP)).
        const CQE_MIXED = 1 << 18 => "IORING_SETUP_CQE_MIXED", (6, 18);
        /// Submissions of 64 and 128 bytes in one ring; those of 128-byte opcodes take two places
        /// and must not wrap.
        const SQE_MIXED = 1 << 19 => "IORING_SETUP_SQE_MIXED", (6, 19);
        /// Entries start at index 0 in each io_uring_enter(2); head and tail stay 0.
        const SQ_REWIND = 1 << 20 => "IORING_SETUP_SQ_REWIND", (7, 0);
    }
}
