//! The operations of io_uring_register(2), one row each, in the order of the kernel header.
//!
//! Owns: number, C name and first kernel of each, and what `arg` and `nr` are. Does not own: the
//! structures, which are in the files beside this one.
//!
//! Mirrors `enum io_uring_register_op`; io_uring_register(2).

use super::register_ops;

register_ops! {
    /// Register buffers: `arg` an array of `nr` iovecs. Their pages are pinned and count against
    /// RLIMIT_MEMLOCK; at most 1 GiB each. EBUSY if there are some.
    BUFFERS = 0 => "IORING_REGISTER_BUFFERS", (5, 1);
    /// Drop all registered buffers: `null`, 0. ENXIO if there are none.
    UNREGISTER_BUFFERS = 1 => "IORING_UNREGISTER_BUFFERS", (5, 1);
    /// Register a fixed-file table: `arg` an array of `nr` descriptors (`i32`), -1 for an empty
    /// slot. EBUSY if there is one.
    FILES = 2 => "IORING_REGISTER_FILES", (5, 1);
    /// Remove the fixed-file table: `null`, 0. ENXIO if there is none.
    UNREGISTER_FILES = 3 => "IORING_UNREGISTER_FILES", (5, 1);
    /// Register an eventfd to be signalled on completions: `arg` the descriptor (`i32`), 1. A
    /// signal is a hint: neither their number nor the lack of one tells anything.
    EVENTFD = 4 => "IORING_REGISTER_EVENTFD", (5, 2);
    /// Remove the eventfd: `null`, 0.
    UNREGISTER_EVENTFD = 5 => "IORING_UNREGISTER_EVENTFD", (5, 2);
    /// Replace fixed-file slots: `arg` a [`FilesUpdate`](crate::FilesUpdate), `nr` how many.
    /// Returns how many were replaced.
    FILES_UPDATE = 6 => "IORING_REGISTER_FILES_UPDATE", (5, 5);
    /// As EVENTFD, but not signalled by what completes inline, during submission.
    EVENTFD_ASYNC = 7 => "IORING_REGISTER_EVENTFD_ASYNC", (5, 6);
    /// Ask which operations exist: `arg` a zeroed [`Probe`](crate::Probe), `nr` the length of its
    /// array.
    PROBE = 8 => "IORING_REGISTER_PROBE", (5, 6);
    /// Register the caller's credentials: `null`, 0. Returns their id, for
    /// [`Sqe::personality`](crate::Sqe::personality).
    PERSONALITY = 9 => "IORING_REGISTER_PERSONALITY", (5, 6);
    /// Drop credentials: `null`, `nr` their id.
    UNREGISTER_PERSONALITY = 10 => "IORING_UNREGISTER_PERSONALITY", (5, 6);
    /// Restrict what the ring may do, for good: `arg` an array of `nr`
    /// [`Restriction`](crate::Restriction)s. What none of them allows is forbidden (EACCES) from
    /// ENABLE_RINGS on. EBADFD if the ring is not disabled, EBUSY the second time. Since 7.0 with
    /// fd
    /// -1: restrict the rings that this task will make, `arg` a
    /// [`TaskRestriction`](crate::TaskRestriction), `nr` 1.
    RESTRICTIONS = 11 => "IORING_REGISTER_RESTRICTIONS", (5, 10);
    /// Enable a ring that started disabled: `null`, 0. EBADFD if it did not.
    ENABLE_RINGS = 12 => "IORING_REGISTER_ENABLE_RINGS", (5, 10);
    /// Register a fixed-file table, with tags or sparse: `arg` a
    /// [`ResourceRegister`](crate::ResourceRegister), `nr` its size in bytes.
    FILES2 = 13 => "IORING_REGISTER_FILES2", (5, 13);
    /// Replace fixed-file slots, with tags: `arg` a [`ResourceUpdate`](crate::ResourceUpdate), `nr`
    /// its size in bytes. Returns how many were replaced.
    FILES_UPDATE2 = 14 => "IORING_REGISTER_FILES_UPDATE2", (5, 13);
    /// Register buffers, with tags or sparse: `arg` a [`ResourceRegister`](crate::ResourceRegister)
    /// of iovecs, `nr` its size in bytes.
    BUFFERS2 = 15 => "IORING_REGISTER_BUFFERS2", (5, 13);
    /// Replace registered buffers: `arg` a [`ResourceUpdate`](crate::ResourceUpdate) of iovecs,
    /// `nr` its size in bytes. Returns how many were replaced.
    BUFFERS_UPDATE = 16 => "IORING_REGISTER_BUFFERS_UPDATE", (5, 13);
    /// Bind the worker threads to CPUs: `arg` a `cpu_set_t`, `nr` its size in bytes.
    IOWQ_AFF = 17 => "IORING_REGISTER_IOWQ_AFF", (5, 14);
    /// Let the worker threads run anywhere again: `null`, 0.
    UNREGISTER_IOWQ_AFF = 18 => "IORING_UNREGISTER_IOWQ_AFF", (5, 14);
    /// Bound the number of worker threads on each NUMA node: `arg` two `u32`, indexed by
    /// [`WorkerKind`](crate::WorkerKind), 2. A 0 leaves one as it is; the old ones are written
    /// back.
    IOWQ_MAX_WORKERS = 19 => "IORING_REGISTER_IOWQ_MAX_WORKERS", (5, 15);
    /// Register ring descriptors with the calling thread: `arg` an array of `nr`
    /// [`RingFdUpdate`](crate::RingFdUpdate)s, of which a thread has 16. Returns how many.
    RING_FDS = 20 => "IORING_REGISTER_RING_FDS", (5, 18);
    /// Remove registered ring descriptors of the calling thread: `arg` an array of `nr`
    /// [`RingFdUpdate`](crate::RingFdUpdate)s with `data` 0. Returns how many.
    UNREGISTER_RING_FDS = 21 => "IORING_UNREGISTER_RING_FDS", (5, 18);
    /// Register a provided-buffer ring: `arg` a [`BufReg`](crate::BufReg), 1. EEXIST if the group
    /// has buffers.
    PBUF_RING = 22 => "IORING_REGISTER_PBUF_RING", (5, 19);
    /// Remove a provided-buffer ring: `arg` a [`BufReg`](crate::BufReg) with only the group id, 1.
    UNREGISTER_PBUF_RING = 23 => "IORING_UNREGISTER_PBUF_RING", (5, 19);
    /// Cancel and wait until what matched is done: `arg` a [`SyncCancel`](crate::SyncCancel), 1.
    /// ENOENT: none matched; ETIME: the time is over.
    SYNC_CANCEL = 24 => "IORING_REGISTER_SYNC_CANCEL", (6, 0);
    /// Bound the slots that [`FILE_INDEX_ALLOC`](crate::FILE_INDEX_ALLOC) chooses from: `arg` a
    /// [`FileIndexRange`](crate::FileIndexRange), 0 (the manual page says 1, which is EINVAL).
    /// Needs a table.
    FILE_ALLOC_RANGE = 25 => "IORING_REGISTER_FILE_ALLOC_RANGE", (6, 0);
    /// Where the kernel is in a provided-buffer ring: `arg` a [`BufStatus`](crate::BufStatus), 1.
    PBUF_STATUS = 26 => "IORING_REGISTER_PBUF_STATUS", (6, 8);
    /// Busy-poll the network cards while waiting: `arg` a [`Napi`](crate::Napi), 1. The old
    /// settings are written back.
    NAPI = 27 => "IORING_REGISTER_NAPI", (6, 9);
    /// Stop busy-polling: `arg` a [`Napi`](crate::Napi) to be written, or `null`; 1.
    UNREGISTER_NAPI = 28 => "IORING_UNREGISTER_NAPI", (6, 9);
    /// Choose the clock of waits: `arg` a [`ClockRegister`](crate::ClockRegister), 0.
    CLOCK = 29 => "IORING_REGISTER_CLOCK", (6, 12);
    /// Share another ring's registered buffers: `arg` a [`CloneBuffers`](crate::CloneBuffers), 1.
    CLONE_BUFFERS = 30 => "IORING_REGISTER_CLONE_BUFFERS", (6, 12);
    /// A MSG_RING without a ring to send it from: fd -1, `arg` an [`Sqe`](crate::Sqe), 1. DATA
    /// only.
    SEND_MSG_RING = 31 => "IORING_REGISTER_SEND_MSG_RING", (6, 13);
    /// Take a receive queue of a network card: `arg` a [`ZcrxQueue`](crate::ZcrxQueue), 1. Needs
    /// CAP_NET_ADMIN, DEFER_TASKRUN, and CQE32 or CQE_MIXED.
    ZCRX_IFQ = 32 => "IORING_REGISTER_ZCRX_IFQ", (6, 15);
    /// Change the sizes of the rings: `arg` a [`Params`](crate::Params), 1. Needs DEFER_TASKRUN.
    /// The caller maps the rings anew. EOVERFLOW: what is in them does not fit.
    RESIZE_RINGS = 33 => "IORING_REGISTER_RESIZE_RINGS", (6, 13);
    /// Register a region of memory for waits: `arg` a [`MemRegion`](crate::MemRegion), 1. It stays
    /// for the life of the ring.
    MEM_REGION = 34 => "IORING_REGISTER_MEM_REGION", (6, 13);
    /// Ask what the kernel has: fd -1 or a ring, `arg` a chain of
    /// [`QueryHeader`](crate::QueryHeader)s, 0.
    QUERY = 35 => "IORING_REGISTER_QUERY", (6, 18);
    /// Flush or share a receive queue: `arg` a [`ZcrxControl`](crate::ZcrxControl), 0.
    ZCRX_CTRL = 36 => "IORING_REGISTER_ZCRX_CTRL", (6, 19);
    /// Filter what is submitted with a classic BPF program, on a ring or, with fd -1, on the task's
    /// future rings: `arg` a [`BpfCommand`](crate::BpfCommand), 1.
    BPF_FILTER = 37 => "IORING_REGISTER_BPF_FILTER", (7, 0);
}
