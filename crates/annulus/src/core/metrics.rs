//! What a core counts. Plain integers, written by the core's thread only.

/// Counters and levels of a core, as [`Runtime::metrics`](crate::runtime::Runtime::metrics) reads
/// them.
///
/// Counters only grow; levels say what is now. Reading costs nothing while nobody reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Turns of the loop.
    pub turns: u64,
    /// Calls of io_uring_enter(2).
    pub enters: u64,
    /// Submission queue entries written.
    pub sqes: u64,
    /// Completion queue entries reaped.
    pub cqes: u64,
    /// Requests whose future was dropped while the kernel had them.
    pub orphans: u64,
    /// Cancels sent to the kernel.
    pub cancels: u64,
    /// Times that the submission queue was full in the middle of a turn.
    pub sq_full: u64,
    /// Times that completions had overflowed their queue and were flushed.
    pub cq_overflows: u64,
    /// Completions that belonged to nothing; anything but 0 is a bug of the kernel or of this
    /// crate.
    pub stale_cqes: u64,
    /// Times that a receive found no provided buffer.
    pub starvations: u64,
    /// Receives that went through the heap because all provided buffers were out.
    pub heap_receives: u64,
    /// Leases handed out.
    pub leases: u64,
    /// Queued sends of dropped sockets that were given up when their time was over.
    pub sends_given_up: u64,
    /// Times that user code kept the core for longer than the stall threshold, if one is set.
    pub stalls: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Level: slots of the op table in use.
    pub ops_in_flight: u32,
    /// Level: descriptors that this core owns.
    pub descriptors: u32,
    /// Level: provided buffers on lease.
    pub leases_out: u32,
    /// Level: provided buffers that the kernel has.
    pub buffers_published: u16,
    /// Level: tasks alive.
    pub tasks: usize,
    /// Level: timers armed.
    pub timers: usize,
    /// Level: free slots of the fixed-file table.
    pub fixed_files_free: usize,
}

/// The counting half of [`Metrics`].
pub(crate) type Counters = Metrics;
