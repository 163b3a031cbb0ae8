//! How a ring is to be made.
//!
//! Owns: the [`Builder`] and what each choice means. Does not own: making the ring (`open`), which
//! rungs there are (`ladder`), which choices exclude one another (`conflict`).
//!
//! Invariant: a choice that was made is granted or refused, never dropped in silence; only what was
//! left to the defaults may fall back. Mirrors io_uring_setup(2).

mod open;

use core::time::Duration;
use std::os::fd::RawFd;

use annulus_abi::{Params, SetupFlags};

use crate::{AnyKernel, Mask, Pages, Restrictions, Ring, SetupError, TaskWork};

/// How a ring is to be made. [`Ring::builder`] gives one with good defaults.
///
/// ```no_run
/// # fn main() -> Result<(), annulus_ring::SetupError> {
/// let ring = annulus_ring::Ring::builder().entries(512).build()?;
/// println!("{:?}", ring.capabilities().setup());
/// # Ok(()) }
/// ```
///
/// | choice | setup flag | since | excludes, needs |
/// |---|---|---|---|
/// | [`cq_entries`](Self::cq_entries) | `CQSIZE` | 5.5 | |
/// | [`clamp`](Self::clamp) | `CLAMP` | 5.6 | |
/// | [`task_work`](Self::task_work) | `DEFER_TASKRUN`, `COOP_TASKRUN`, `TASKRUN_FLAG` | 6.1, 5.19 | excludes `SQPOLL` |
/// | [`single_issuer`](Self::single_issuer) | `SINGLE_ISSUER` | 6.0 | `DEFER_TASKRUN` needs it |
/// | [`submit_all`](Self::submit_all) | `SUBMIT_ALL` | 5.18 | |
/// | [`no_sqarray`](Self::no_sqarray) | `NO_SQARRAY` | 6.6 | |
/// | [`sqpoll`](Self::sqpoll), [`sqpoll_cpu`](Self::sqpoll_cpu) | `SQPOLL`, `SQ_AFF` | 5.1 | excludes delayed task work |
/// | [`attach_wq`](Self::attach_wq) | `ATTACH_WQ` | 5.6 | another ring |
/// | [`iopoll`](Self::iopoll), [`hybrid_iopoll`](Self::hybrid_iopoll) | `IOPOLL`, `HYBRID_IOPOLL` | 5.1, 6.13 | devices with poll queues |
/// | [`disabled`](Self::disabled), [`restrict`](Self::restrict) | `R_DISABLED` | 5.10 | |
/// | [`memory`](Self::memory) | `NO_MMAP` | 6.5 | the real kernel |
/// | [`registered_fd_only`](Self::registered_fd_only) | `REGISTERED_FD_ONLY` | 6.5 | needs `NO_MMAP` |
/// | [`build_as`](Self::build_as) | `SQE128`, `CQE32`, `CQE_MIXED`, `SQE_MIXED` | 5.19, 5.19, 6.18, 6.19 | one size of each |
///
/// `SQ_REWIND` (7.0) is not offered: with it the indices stay 0 and each call takes entries from
/// the first place on, so what one call leaves behind the next one would overwrite.
#[derive(Debug)]
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder {
    entries: u32,
    cq_entries: Option<u32>,
    sqpoll: Option<SqPoll>,
    task_work: Option<TaskWork>,
    clamp: bool,
    shrink: bool,
    no_iowait: bool,
    disabled: bool,
    /// Flags that were asked for, with nothing to fall back to.
    demanded: SetupFlags,
    /// Flags of the ladder that were turned off.
    unwanted: SetupFlags,
    attach: Option<RawFd>,
    pages: Option<Pages>,
    restrictions: Option<Restrictions>,
    exact: Option<Params>,
    mask: Mask,
    /// Flags that are not even tried, whatever the mask says.
    withheld: SetupFlags,
    kernel: AnyKernel,
}

#[derive(Clone, Copy, Debug)]
struct SqPoll {
    idle_ms: u32,
    cpu: Option<u32>,
}

/// More than any kernel allows; keeps the arithmetic of sizes within 32 bits.
const ENTRIES_CEILING: u32 = 1 << 31;

impl Default for Builder {
    fn default() -> Self {
        Self {
            entries: 256,
            cq_entries: None,
            sqpoll: None,
            task_work: None,
            clamp: true,
            shrink: true,
            no_iowait: false,
            disabled: false,
            demanded: SetupFlags::EMPTY,
            unwanted: SetupFlags::EMPTY,
            attach: None,
            pages: None,
            restrictions: None,
            exact: None,
            mask: Mask::none(),
            withheld: SetupFlags::EMPTY,
            kernel: AnyKernel::default(),
        }
    }
}

impl Ring {
    /// A builder with good defaults.
    #[doc(alias = "io_uring_queue_init")]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A ring that is asked for with exactly these parameters: no ladder, no smaller size. See
    /// [`Builder::with_params`].
    ///
    /// # Errors
    /// As [`Builder::build`].
    #[doc(alias = "io_uring_queue_init_params")]
    pub fn with_params(entries: u32, params: &Params) -> Result<Self, crate::SetupError> {
        Self::builder().entries(entries).with_params(params).build()
    }
}

impl Builder {
    /// Submission entries, rounded up to a power of two. 256 by default.
    ///
    /// Where locked memory is short the ring is made smaller, down to 32;
    /// [`Capabilities::shrunk`](crate::Capabilities::shrunk) tells, and [`shrink`](Self::shrink)
    /// forbids it.
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries.min(ENTRIES_CEILING);
        self
    }

    /// Completion entries, rounded up to a power of two. Eight times the submission entries by
    /// default.
    #[doc(alias = "IORING_SETUP_CQSIZE")]
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.cq_entries = Some(entries);
        self
    }

    /// Lets a kernel thread take submissions; it sleeps after `idle` without any.
    ///
    /// It burns a CPU while awake, and excludes [`TaskWork::Defer`] and [`TaskWork::Coop`], which
    /// are an error if they were asked for. Since Linux 5.1, without privilege since 5.13.
    #[doc(alias = "IORING_SETUP_SQPOLL")]
    pub fn sqpoll(mut self, idle: Duration) -> Self {
        let idle_ms = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1);
        let cpu = self.sqpoll.and_then(|sqpoll| sqpoll.cpu);
        self.sqpoll = Some(SqPoll { idle_ms, cpu });
        self
    }

    /// Binds the submission thread to a CPU; one second of idling unless [`sqpoll`](Self::sqpoll)
    /// says otherwise.
    #[doc(alias = "IORING_SETUP_SQ_AFF")]
    pub fn sqpoll_cpu(mut self, cpu: u32) -> Self {
        let idle_ms = self.sqpoll.map_or(1000, |sqpoll| sqpoll.idle_ms);
        self.sqpoll = Some(SqPoll { idle_ms, cpu: Some(cpu) });
        self
    }

    /// When task work runs. If nothing is said, [`TaskWork::Defer`] or what comes next in the
    /// ladder, as [`single_issuer`](Self::single_issuer) and [`sqpoll`](Self::sqpoll) allow.
    #[doc(alias = "IORING_SETUP_DEFER_TASKRUN")]
    #[doc(alias = "IORING_SETUP_COOP_TASKRUN")]
    #[doc(alias = "IORING_SETUP_TASKRUN_FLAG")]
    pub fn task_work(mut self, task_work: TaskWork) -> Self {
        self.task_work = Some(task_work);
        self
    }

    /// Whether one thread only may submit and register, which spares the kernel a lock. `true` by
    /// default, where the kernel can (since 6.0).
    ///
    /// Another thread gets EEXIST ([`RingError`](crate::RingError) says so in words). Without it
    /// there is no [`TaskWork::Defer`] either.
    #[doc(alias = "IORING_SETUP_SINGLE_ISSUER")]
    pub fn single_issuer(self, single_issuer: bool) -> Self {
        self.want(SetupFlags::SINGLE_ISSUER, single_issuer)
    }

    /// Whether a submit goes on after an entry that the kernel refuses at once, rather than leave
    /// the rest in the queue. `true` by default, where the kernel can (since 5.18). The completion
    /// of the bad entry tells of it in either case.
    #[doc(alias = "IORING_SETUP_SUBMIT_ALL")]
    pub fn submit_all(self, submit_all: bool) -> Self {
        self.want(SetupFlags::SUBMIT_ALL, submit_all)
    }

    /// Whether the ring goes without the array of indices, which is always the identity here.
    /// `true` by default, where the kernel can (since 6.6). It saves memory and the kernel a load.
    #[doc(alias = "IORING_SETUP_NO_SQARRAY")]
    pub fn no_sqarray(self, no_sqarray: bool) -> Self {
        self.want(SetupFlags::NO_SQARRAY, no_sqarray)
    }

    /// Whether sizes beyond the kernel's limits are clamped rather than refused. `true` by default.
    #[doc(alias = "IORING_SETUP_CLAMP")]
    pub fn clamp(mut self, clamp: bool) -> Self {
        self.clamp = clamp;
        self
    }

    /// Whether a ring for which there is no memory (ENOMEM: `RLIMIT_MEMLOCK` most often) is asked
    /// for again with half as many entries, down to 32. `true` by default; `false` gives the
    /// [`SetupError`](crate::SetupError) with its remedy at once.
    pub fn shrink(mut self, shrink: bool) -> Self {
        self.shrink = shrink;
        self
    }

    /// Shares the worker threads of the ring with this descriptor, and its submission thread if
    /// both have one. Since Linux 5.6.
    ///
    /// Since 5.12 workers belong to the thread that submits, so all its rings share them without
    /// this; what is left is one submission thread for many rings, which sleeps when all of them
    /// are idle. That ring may be dropped as soon as this one is built.
    #[doc(alias = "IORING_SETUP_ATTACH_WQ")]
    #[doc(alias = "wq_fd")]
    pub fn attach_wq(mut self, ring: RawFd) -> Self {
        self.attach = Some(ring);
        self.want(SetupFlags::ATTACH_WQ, true)
    }

    /// Polls the device for completions instead of waiting for its interrupt. Since Linux 5.1.
    ///
    /// For reads and writes of files opened with `O_DIRECT`, on file systems and devices with poll
    /// queues (NVMe with `poll_queues`); elsewhere they complete with EOPNOTSUPP, and most other
    /// operations with EINVAL (before 7.1). A wait burns a CPU.
    #[doc(alias = "IORING_SETUP_IOPOLL")]
    pub fn iopoll(self) -> Self {
        self.want(SetupFlags::IOPOLL, true)
    }

    /// As [`iopoll`](Self::iopoll), but sleeps for about half of the time that requests have taken
    /// lately before it polls: less CPU, and a latency between polling and interrupts. Since Linux
    /// 6.13.
    #[doc(alias = "IORING_SETUP_HYBRID_IOPOLL")]
    pub fn hybrid_iopoll(self) -> Self {
        self.want(SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL, true)
    }

    /// Whether waits are kept out of the I/O-wait statistics, where the kernel can (since 6.15).
    ///
    /// `false` by default, as in the kernel: I/O wait also keeps a CPU's clock up.
    #[doc(alias = "io_uring_set_iowait")]
    pub fn no_iowait(mut self, no_iowait: bool) -> Self {
        self.no_iowait = no_iowait;
        self
    }

    /// Leaves the ring disabled until [`Ring::enable`]: for what may be registered only before.
    ///
    /// Where the kernel has no disabled rings (before 5.10) the ring is merely not tested until
    /// then.
    #[doc(alias = "IORING_SETUP_R_DISABLED")]
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    /// Restricts what the ring may do, for good. Since Linux 5.10.
    ///
    /// With [`disabled`](Self::disabled) it counts from [`Ring::enable`] on.
    #[doc(alias = "IORING_REGISTER_RESTRICTIONS")]
    pub fn restrict(mut self, restrictions: Restrictions) -> Self {
        self.restrictions = Some(restrictions);
        self.want(SetupFlags::R_DISABLED, true)
    }

    /// Puts the queues into this memory instead of the kernel's. Since Linux 6.5.
    ///
    /// It is given back (unmapped) after the ring is dropped. Only for the real kernel: others
    /// bring their own.
    #[doc(alias = "IORING_SETUP_NO_MMAP")]
    #[doc(alias = "io_uring_queue_init_mem")]
    pub fn memory(mut self, pages: Pages) -> Self {
        self.pages = Some(pages);
        self.want(SetupFlags::NO_MMAP, true)
    }

    /// Makes no descriptor, only an index in the table of this thread, of which there are 16. Since
    /// Linux 6.5; needs [`memory`](Self::memory), because there is nothing to map the queues
    /// through.
    ///
    /// Nothing can poll such a ring, send it messages, or close it by mistake.
    #[doc(alias = "IORING_SETUP_REGISTERED_FD_ONLY")]
    pub fn registered_fd_only(self) -> Self {
        self.want(SetupFlags::REGISTERED_FD_ONLY, true)
    }

    /// Asks the kernel for exactly these parameters: no ladder, and no smaller size. Choices about
    /// flags are ignored; the number of entries is that of [`entries`](Self::entries).
    ///
    /// The sizes of entries remain a matter of the type ([`build_as`](Self::build_as)), and the
    /// memory for `NO_MMAP` that of [`memory`](Self::memory): addresses in `params` are not looked
    /// at.
    #[doc(alias = "io_uring_queue_init_params")]
    pub fn with_params(mut self, params: &Params) -> Self {
        self.exact = Some(*params);
        self
    }

    /// Hides capabilities, so that a new kernel behaves as an older one.
    pub fn mask(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// The kernel behind the ring: the real one by default.
    pub fn kernel(mut self, kernel: impl Into<AnyKernel>) -> Self {
        self.kernel = kernel.into();
        self
    }

    /// Whether the kernel is another than the real one.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.kernel, AnyKernel::Dyn(_))
    }

    /// Opens a ring that is bound to no thread, and without any of these flags.
    pub(crate) fn build_unbound(mut self, withheld: SetupFlags) -> Result<Ring, SetupError> {
        self.task_work = Some(TaskWork::Interrupt);
        self.withheld = withheld;
        self.build()
    }

    /// A flag was asked for, or turned off; the last word counts.
    fn want(mut self, flags: SetupFlags, wanted: bool) -> Self {
        let of_the_ladder =
            SetupFlags::SINGLE_ISSUER | SetupFlags::SUBMIT_ALL | SetupFlags::NO_SQARRAY;
        match (wanted, of_the_ladder.contains(flags)) {
            (true, true) => self.unwanted = self.unwanted.without(flags),
            (true, false) => self.demanded |= flags,
            (false, _) => self.unwanted |= flags,
        }
        self
    }
}
