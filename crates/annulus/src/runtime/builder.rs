//! The knobs of a runtime.

use std::sync::Arc;
use std::time::Duration;

use annulus_ring::{AnyKernel, BusyPoll, Mask};
use annulus_task::OnPanic;

use super::stall::Report;
use super::{DevicePolling, Error, Runtime, Stall};
use crate::core::pool::BUFFER_BYTES_MAX;
use crate::core::setup::{Config, KernelMaker};

/// What a runtime is made of. Every knob has a default that suits a server with thousands of
/// connections and opens under a memlock limit of 8 MiB.
///
/// ```
/// use std::time::Duration;
/// use annulus::runtime::Runtime;
///
/// let runtime = Runtime::builder().entries(64).spin(Duration::from_micros(20)).build()?;
/// # drop(runtime);
/// # Ok::<(), annulus::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    config: Config,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// All defaults.
    pub fn new() -> Self {
        Self { config: Config::default() }
    }

    /// Submission entries, default 256. More are submitted in the middle of a turn if it fills up;
    /// a low memlock limit halves it, down to 32.
    pub fn entries(mut self, entries: u32) -> Self {
        self.config.entries = entries.max(1);
        self
    }

    /// Completion entries, default eight times the submission entries. More completions than that
    /// wait in the kernel; nothing is lost.
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.config.cq_entries = Some(entries);
        self
    }

    /// Slots of the fixed-file table, default 16384, at most the descriptor limit. A handle whose
    /// descriptor finds no slot uses the descriptor itself, which costs a few per cent an
    /// operation. 0 for no table.
    pub fn fixed_files(mut self, slots: u32) -> Self {
        self.config.fixed_files = slots;
        self
    }

    /// Bytes of one provided buffer: the most that one lease can hold. By default 64 KiB where
    /// receives [share](Self::buffers_incremental) buffers, which are then cut in two seldom, and
    /// 16 KiB elsewhere. At least 64, and less than 2 GiB.
    pub fn buffer_bytes(mut self, bytes: u32) -> Self {
        self.config.buffer_bytes = Some(bytes.clamp(64, BUFFER_BYTES_MAX));
        self
    }

    /// Provided buffers at most, rounded up to a power of two. They are memory only once used; when
    /// all are on lease, receives go through the heap. The default is 16 MiB of them: 256 where
    /// receives [share](Self::buffers_incremental) buffers, 1024 elsewhere.
    pub fn buffer_count(mut self, count: u16) -> Self {
        self.config.buffer_count = Some(count.clamp(1, 32768));
        self
    }

    /// Provided buffers that the kernel has at first, by default 16 where receives
    /// [share](Self::buffers_incremental) buffers, and 32 elsewhere. Few stay hot in the cache; the
    /// number doubles whenever the kernel runs out.
    pub fn buffers_published(mut self, count: u16) -> Self {
        self.config.buffers_published = Some(count.max(1));
        self
    }

    /// Whether small receives share a buffer where the kernel can do that (Linux 6.12), default
    /// true.
    pub fn buffers_incremental(mut self, incremental: bool) -> Self {
        self.config.buffers_incremental = incremental;
        self
    }

    /// How long to look for completions before sleeping, default zero. Spinning trades CPU time for
    /// latency.
    ///
    /// It adapts: when looking was in vain a few times in a row, most waits sleep at once, and only
    /// a few look whether it would pay again. So an idle core does not spin.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.config.spin_ns = nanos(spin);
        self
    }

    /// Whether a core that was busy just now waits *lightly*, default true: with one timer that is
    /// due each millisecond, which keeps the tick of its CPU running.
    ///
    /// Stopping the tick when the CPU falls idle, and starting it again at the next completion, can
    /// be dear where it means to leave a virtual machine: then this saves 30 to 43 % of the CPU
    /// time of one busy connection. Where it is not dear the timer costs up to 4 %. Try it with
    /// `bench echo-1`.
    ///
    /// Eight waits with nothing to submit, however long they took, arm the timer for a millisecond.
    /// If there were two such waits in each millisecond when its time is over, it is renewed for
    /// twice as long, up to eight milliseconds; else it ends. So an idle core makes no calls and is
    /// not woken. [`Metrics::ticks`](super::Metrics::ticks) counts the expirations.
    ///
    /// # Kernel
    /// A `TIMEOUT` of one millisecond, several times where it can be multishot (Linux 6.4), else
    /// once and again. Where the operation is missing there is no such timer.
    pub fn keep_tick(mut self, keep_tick: bool) -> Self {
        self.config.keep_tick = keep_tick;
        self
    }

    /// How much later than it could a timer may fire, default zero.
    ///
    /// A core that sleeps is woken for its earliest timer. With a slack it sleeps that much longer,
    /// and what has become due meanwhile fires in the same turn: many timers cost fewer wake-ups.
    /// This is of all timers of a core: sleeps, intervals, timeouts, deadlines of operations and
    /// bounds of its own. None fires early, their order is the same, and a core that is awake for
    /// something else fires whatever is due. A paused clock is exact in any case.
    ///
    /// Without slack a timer fires with the tick of 65.5 µs after its deadline. A million timers in
    /// half a second take 0.6 of the CPU time with a slack of one millisecond (`bench timer-fire`).
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.config.timer_slack_ns = nanos(slack);
        self
    }

    /// Whether the clock of [`time`](crate::time) stands still from the start, default false; see
    /// [`time::pause`](crate::time::pause). For tests: `#[annulus::test(start_paused = true)]`.
    pub fn start_paused(mut self, start_paused: bool) -> Self {
        self.config.start_paused = start_paused;
        self
    }

    /// Whether a core that waits counts as waiting for I/O, default false.
    ///
    /// A core always has a request in flight, so it would always count: the system would report
    /// 100 % I/O wait and I/O pressure while nothing is wrong. On the other hand, CPU frequency
    /// governors take I/O wait as a reason to keep the clock up.
    ///
    /// # Kernel
    /// [`EnterFlags::NO_IOWAIT`](annulus_ring::abi::EnterFlags::NO_IOWAIT), since Linux 6.15. Older
    /// kernels (from 6.5 on) count every wait.
    pub fn iowait(mut self, iowait: bool) -> Self {
        self.config.iowait = iowait;
        self
    }

    /// One pool of provided buffers more, of at most `count` buffers (rounded up to a power of two)
    /// of so many bytes; its number is 1 for the first, and so on, and the default pool is 0.
    ///
    /// Streams are put on it with
    /// [`TcpStream::set_receive_pool`](crate::net::TcpStream::set_receive_pool), or by their
    /// [listener](crate::net::TcpListener::set_receive_pool). A pool of its own keeps streams apart
    /// that would take each other's buffers: when one pool is on lease, streams of another go on.
    /// [`Metrics::buffers`](super::Metrics::buffers) and the like are the sums of all. At most 255;
    /// more are left out. A pool for which there is no locked memory is replaced by the default
    /// one.
    pub fn receive_pool(mut self, buffer_bytes: u32, count: u16) -> Self {
        if self.config.receive_pools.len() < usize::from(u8::MAX) {
            self.config
                .receive_pools
                .push((buffer_bytes.clamp(64, BUFFER_BYTES_MAX), count.clamp(1, 32768)));
        }
        self
    }

    /// Tasks polled in one turn at most, default 256, so that a crowd of ready tasks cannot keep
    /// the core from its I/O.
    pub fn budget(mut self, tasks: u32) -> Self {
        self.config.budget = tasks.max(1);
        self
    }

    /// Whether a read of a file asks the page cache first, by a system call that does not wait, and
    /// goes through the ring only if the cache does not have all of it; the default is yes.
    ///
    /// The call costs less than a request that is answered at once, since there is nothing but the
    /// call: no entry, no completion, no turn of the core. Where other tasks are ready, or requests
    /// wait to be submitted, reads go with them through the ring: many that share one call cost
    /// less than a call for each. A file whose reads are not in the cache is asked ever more
    /// rarely, down to one read in 65. A file that was opened with `O_DIRECT` is never asked, nor
    /// is any with [`sqpoll`](Self::sqpoll). With `false` every read is a request of the ring, as
    /// it is wherever requests are chained, have [`RwOptions`](crate::fs::RwOptions) or several
    /// buffers.
    ///
    /// # Kernel
    /// preadv2(2) with `RWF_NOWAIT`, 4.14.
    #[doc(alias = "RWF_NOWAIT")]
    pub fn reads_cached(mut self, first: bool) -> Self {
        self.config.reads_cached = first;
        self
    }

    /// Reports what keeps the core from its I/O for longer than `threshold`: a poll of a task (with
    /// its [name](crate::task::spawn_named)), of the future of `block_on`, or all polls of a turn
    /// together. Off by default; when on, the clock is read once a turn and once a poll.
    ///
    /// Reports go to standard error, one line each, unless [`on_stall`](Self::on_stall) takes them.
    /// [`Metrics::stalls`](super::Metrics::stalls) counts them.
    pub fn stall_threshold(mut self, threshold: Duration) -> Self {
        self.config.stall.threshold_ns = Some(nanos(threshold));
        self
    }

    /// Where reports of stalls go. The function is called on the core that had stalled, between
    /// polls. It should not stall, and if it panics its report is all that is lost, unless the
    /// [policy](Self::on_panic) is to abort.
    ///
    /// ```
    /// use std::time::Duration;
    /// use annulus::runtime::Runtime;
    ///
    /// let runtime = Runtime::builder()
    ///     .stall_threshold(Duration::from_millis(10))
    ///     .on_stall(|stall| eprintln!("WARN {stall}"))
    ///     .build()?;
    /// # drop(runtime);
    /// # Ok::<(), annulus::Error>(())
    /// ```
    pub fn on_stall(mut self, report: impl Fn(&Stall<'_>) + Send + Sync + 'static) -> Self {
        self.config.stall.report = Report::to(report);
        self
    }

    /// What a panic in a task does, default [`OnPanic::Contain`]: it ends that task and comes out
    /// of its handle.
    pub fn on_panic(mut self, policy: OnPanic) -> Self {
        self.config.on_panic = policy;
        self
    }

    /// Lets a kernel thread poll the submission queue, off by default; it sleeps after `idle`
    /// without work. It burns a CPU while awake.
    pub fn sqpoll(mut self, idle: Duration) -> Self {
        self.config.sqpoll_idle = Some(idle);
        self
    }

    /// Binds the polling kernel thread to a CPU.
    pub fn sqpoll_cpu(mut self, cpu: u32) -> Self {
        self.config.sqpoll_cpu = Some(cpu);
        self
    }

    /// How long a dropped socket may take to send the bytes it had accepted, default 5 seconds.
    pub fn close_flush(mut self, bound: Duration) -> Self {
        self.config.close_flush_ns = nanos(bound);
        self
    }

    /// Bytes queued by `send_nowait` above which a socket takes no more until some are sent,
    /// default 256 KiB.
    pub fn send_high_bytes(mut self, bytes: usize) -> Self {
        self.config.send_high_bytes = bytes.max(1);
        self
    }

    /// From how many bytes on `write` and `write_all` of a TCP stream send without copying, if the
    /// kernel can; never by default.
    ///
    /// Such a send resolves when the peer has acknowledged the bytes: what that means, and where it
    /// pays, stands at [`write_all_zc`](crate::net::TcpStream::write_all_zc). The number is where
    /// each stream begins. A report that the kernel copied after all doubles it for that stream,
    /// and three in a row turn it off. Sends whose future is gone, and those of `send_nowait`, are
    /// copied always.
    #[doc(alias = "IORING_OP_SEND_ZC")]
    pub fn zero_copy_from(mut self, bytes: usize) -> Self {
        self.config.zero_copy_from = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// Polls network cards while the core waits, off by default: shorter round trips for a CPU that
    /// never rests. [`Builder::build`] fails where the kernel cannot.
    ///
    /// The kernel accepts it on machines without any card that can be polled, and then it is of no
    /// use: measure. It ends with the runtime.
    ///
    /// # Kernel
    /// `IORING_REGISTER_NAPI`, 6.9.
    ///
    /// ```
    /// use annulus::runtime::Runtime;
    /// use annulus_ring::BusyPoll;
    ///
    /// let polled = BusyPoll { timeout_us: 50, prefer: true, ..BusyPoll::default() };
    /// match Runtime::builder().busy_poll(polled).build() {
    ///     Ok(runtime) => drop(runtime),
    ///     Err(refused) => eprintln!("{refused}"),
    /// }
    /// ```
    #[doc(alias = "napi")]
    #[doc(alias = "IORING_REGISTER_NAPI")]
    pub fn busy_poll(mut self, how: BusyPoll) -> Self {
        self.config.busy_poll = Some(how);
        self
    }

    /// Gives each core a second ring, whose devices are polled for completions instead of waiting
    /// for their interrupts; off by default. It serves
    /// [`Direct::polled`](crate::fs::Direct::polled), and nothing else: the kernel takes no
    /// sockets, timers or opens there, so those stay on the core's own ring.
    ///
    /// While such a request is in flight its core does not sleep. The device must have queues for
    /// it (NVMe with `poll_queues`); one that has none is an error of the request
    /// ([`DirectPolled`](crate::fs::DirectPolled)), because the ring itself knows no device.
    ///
    /// # Kernel
    /// `IORING_SETUP_IOPOLL`, 5.1, and `IORING_SETUP_HYBRID_IOPOLL`, 6.13: [`Builder::build`] fails
    /// where they are missing.
    #[doc(alias = "IORING_SETUP_IOPOLL")]
    #[doc(alias = "IORING_SETUP_HYBRID_IOPOLL")]
    pub fn device_polling(mut self, how: DevicePolling) -> Self {
        self.config.device_polling = Some(how);
        self
    }

    /// How long dropping the runtime may wait for the kernel, default 5 seconds. One shutdown can
    /// have another bound: [`Runtime::shutdown_timeout`](super::Runtime::shutdown_timeout).
    pub fn shutdown_timeout(mut self, bound: Duration) -> Self {
        self.config.shutdown_ns = nanos(bound);
        self
    }

    /// Hides capabilities of the kernel, so that tests run what older kernels run. Nothing by
    /// default.
    pub fn mask(mut self, mask: Mask) -> Self {
        self.config.mask = mask;
        self
    }

    /// Puts another kernel behind the runtime: a simulated one, or one that looks at the calls to
    /// the real one. By default the one of the process
    /// ([`set_default_kernel`](super::set_default_kernel)). `make` is called once for each runtime.
    ///
    /// ```
    /// use annulus::runtime::Runtime;
    /// use annulus_ring::Real;
    ///
    /// let runtime = Runtime::builder().kernel(|| Real::new().into()).build()?;
    /// # drop(runtime);
    /// # Ok::<(), annulus::Error>(())
    /// ```
    pub fn kernel(mut self, make: impl Fn() -> AnyKernel + Send + Sync + 'static) -> Self {
        self.config.kernel = Some(KernelMaker(Arc::new(make)));
        self
    }

    /// Threads of [`spawn_blocking`](crate::task::spawn_blocking) at most, default 256. They start
    /// when there is work for them.
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.config.threads.threads_max = threads.max(1);
        self
    }

    /// Jobs of [`spawn_blocking`](crate::task::spawn_blocking) that may wait for a thread, default
    /// 4096; further ones wait in their handles.
    pub fn blocking_queue(mut self, jobs: usize) -> Self {
        self.config.threads.queue_max = jobs.max(1);
        self
    }

    /// How long a thread of [`spawn_blocking`](crate::task::spawn_blocking) waits for work before
    /// it ends, default 10 seconds.
    pub fn blocking_idle(mut self, idle: Duration) -> Self {
        self.config.threads.idle = idle;
        self
    }

    pub(crate) fn into_config(self) -> Config {
        self.config
    }

    /// Makes the runtime, bound to this thread.
    ///
    /// # Errors
    /// [`Error`], with cause and remedy, where io_uring is refused.
    pub fn build(self) -> Result<Runtime, Error> {
        Runtime::from_config(self.config)
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
