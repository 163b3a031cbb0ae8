//! Opening a ring.
//!
//! Owns: the [`Builder`] and the descent of the ladder. Does not own: which rungs there are
//! (`ladder`), what the result means (`capabilities`), or the words of a refusal (`setup_error`).
//!
//! Invariants: only EINVAL descends a rung and only ENOMEM halves the size; any other error ends
//! the attempt; a ring that is returned has completed a NOP (unless it was asked to stay disabled),
//! so a filter that lets io_uring_setup(2) pass and nothing else is found here and not in the first
//! read. Mirrors io_uring_setup(2).

use core::time::Duration;

use annulus_abi::{BufRegFlags, Errno, Params, RegisterOp, SetupFlags};

use crate::{
    AnyKernel, Capabilities, Kernel, Mask, Ring, RingMemory, SetupError, TaskWork, Why,
    ladder::Wish, setup_error::Stage,
};

/// How a ring is to be made. [`Ring::builder`] gives one with good defaults.
///
/// ```no_run
/// # fn main() -> Result<(), annulus_ring::SetupError> {
/// let ring = annulus_ring::Ring::builder().entries(512).build()?;
/// println!("{:?}", ring.capabilities().setup());
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder {
    entries: u32,
    cq_entries: Option<u32>,
    sqpoll: Option<SqPoll>,
    task_work: TaskWork,
    clamp: bool,
    no_iowait: bool,
    disabled: bool,
    mask: Mask,
    kernel: AnyKernel,
}

#[derive(Clone, Copy, Debug)]
struct SqPoll {
    idle_ms: u32,
    cpu: Option<u32>,
}

/// A ring is not halved below so many entries for want of memory.
const ENTRIES_FLOOR: u32 = 32;
/// More than any kernel allows; keeps the arithmetic of sizes within 32 bits.
const ENTRIES_CEILING: u32 = 1 << 31;
/// Completion entries for each submission entry: one request can complete many times.
const CQ_FACTOR: u32 = 8;
/// The kernel's limit of completion entries.
const CQ_MAX: u32 = 65536;

impl Default for Builder {
    fn default() -> Self {
        Self {
            entries: 256,
            cq_entries: None,
            sqpoll: None,
            task_work: TaskWork::default(),
            clamp: true,
            no_iowait: false,
            disabled: false,
            mask: Mask::none(),
            kernel: AnyKernel::default(),
        }
    }
}

impl Builder {
    /// Submission entries, rounded up to a power of two. 256 by default.
    ///
    /// Where locked memory is short the ring is made smaller, down to 32;
    /// [`Capabilities::shrunk`] tells.
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries.min(ENTRIES_CEILING);
        self
    }

    /// Completion entries, rounded up to a power of two. Eight times the submission entries by
    /// default.
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.cq_entries = Some(entries);
        self
    }

    /// Lets a kernel thread take submissions; it sleeps after `idle` without any.
    ///
    /// It burns a CPU while awake, and excludes [`TaskWork::Defer`] and [`TaskWork::Coop`].
    pub fn sqpoll(mut self, idle: Duration) -> Self {
        let idle_ms = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1);
        let cpu = self.sqpoll.and_then(|sqpoll| sqpoll.cpu);
        self.sqpoll = Some(SqPoll { idle_ms, cpu });
        self
    }

    /// Binds the submission thread to a CPU; one second of idling unless [`sqpoll`](Self::sqpoll)
    /// says otherwise.
    pub fn sqpoll_cpu(mut self, cpu: u32) -> Self {
        let idle_ms = self.sqpoll.map_or(1000, |sqpoll| sqpoll.idle_ms);
        self.sqpoll = Some(SqPoll { idle_ms, cpu: Some(cpu) });
        self
    }

    /// When task work runs. [`TaskWork::Defer`] by default.
    pub fn task_work(mut self, task_work: TaskWork) -> Self {
        self.task_work = task_work;
        self
    }

    /// Whether sizes beyond the kernel's limits are clamped rather than refused. `true` by default.
    pub fn clamp(mut self, clamp: bool) -> Self {
        self.clamp = clamp;
        self
    }

    /// Whether waits are kept out of the I/O-wait statistics, where the kernel can (since 6.15).
    ///
    /// `false` by default, as in the kernel: I/O wait also keeps a CPU's clock up.
    pub fn no_iowait(mut self, no_iowait: bool) -> Self {
        self.no_iowait = no_iowait;
        self
    }

    /// Leaves the ring disabled until [`Ring::enable`]: for what may be registered only before.
    ///
    /// Where the kernel has no disabled rings (before 5.10) the ring is merely not tested until
    /// then.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
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

    /// Opens the ring on this thread.
    ///
    /// # Errors
    /// [`SetupError`], with cause, evidence and remedy.
    pub fn build(mut self) -> Result<Ring, SetupError> {
        let (memory, params, wished) = self.descend()?;
        let capabilities = Capabilities::of(&params, wished, &self.mask, self.entries);
        let no_iowait = self.no_iowait && capabilities.no_iowait();
        // SAFETY: the kernel just described this memory by these parameters, and nobody else has
        // it.
        let mut ring = unsafe { Ring::new_in(self.kernel, memory, params, capabilities) };
        ring.set_no_iowait(no_iowait);
        ring.set_mask(self.mask);
        match ring.probe() {
            Ok(probe) => ring.capabilities_mut().set_ops(&probe, &self.mask),
            Err(errno) => return Err(SetupError::new(Stage::Probe, errno, &params)),
        }
        try_buf_rings(&mut ring, &self.mask);
        if !self.disabled {
            ring.enable()?;
        }
        Ok(ring)
    }

    /// Tries rung after rung, and sizes within a rung.
    fn descend(&mut self) -> Result<(RingMemory, Params, SetupFlags), SetupError> {
        let wish = Wish {
            task_work: self.task_work,
            sqpoll: self.sqpoll.is_some(),
            sqpoll_cpu: self.sqpoll.is_some_and(|sqpoll| sqpoll.cpu.is_some()),
            clamp: self.clamp,
            masked: self.mask.setup,
        };
        let rungs = wish.rungs();
        let wished = rungs[0];
        let mut entries = self.entries;
        let mut rung = 0;
        loop {
            let asked = self.params(entries, rungs[rung]);
            let mut params = asked;
            let errno = match self.kernel.setup(entries, &mut params) {
                Ok(memory) => return Ok((memory, params, wished)),
                Err(errno) => errno,
            };
            if errno.0 == libc::EINVAL && rung + 1 < rungs.len() {
                rung += 1;
            } else if errno.0 == libc::ENOMEM && entries > ENTRIES_FLOOR {
                entries = (entries.next_power_of_two() / 2).max(ENTRIES_FLOOR);
            } else {
                return Err(SetupError::new(Stage::Setup, errno, &asked));
            }
        }
    }

    fn params(&self, entries: u32, flags: SetupFlags) -> Params {
        let halved = self.entries.next_power_of_two() / entries.next_power_of_two().max(1);
        let cq_entries = match self.cq_entries {
            Some(asked) => (asked / halved.max(1)).max(entries),
            None => entries.saturating_mul(CQ_FACTOR).min(CQ_MAX),
        };
        let cq_sized = flags.contains(SetupFlags::CQSIZE);
        Params {
            // The kernel overwrites the count; a refusal reports what was asked.
            sq_entries: entries,
            cq_entries: if cq_sized { cq_entries } else { 0 },
            flags,
            sq_thread_cpu: self.sqpoll.and_then(|sqpoll| sqpoll.cpu).unwrap_or(0),
            sq_thread_idle: self.sqpoll.map_or(0, |sqpoll| sqpoll.idle_ms),
            ..Params::default()
        }
    }
}

impl Ring {
    /// A builder with good defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Enables a ring that was built [`disabled`](Builder::disabled), proves that it works, and
    /// registers its descriptor with this thread. Does nothing on a ring that is enabled.
    ///
    /// # Errors
    /// [`SetupError`] if the kernel refuses any ring call after setup.
    pub fn enable(&mut self) -> Result<(), SetupError> {
        if self.is_enabled() {
            return Ok(());
        }
        let params = *self.params();
        if params.flags.contains(SetupFlags::R_DISABLED) {
            let nothing = core::ptr::null_mut();
            // SAFETY: enabling takes no argument.
            unsafe { self.kernel().register(RegisterOp::ENABLE_RINGS, nothing, 0) }
                .map_err(|errno| SetupError::new(Stage::Register, errno, &params))?;
        }
        self.set_enabled();
        self.round_trip().map_err(|errno| SetupError::new(Stage::Enter, errno, &params))?;
        let granted = if self.mask().registered_ring {
            Err(Why::Masked)
        } else {
            self.kernel().register_ring().map_err(Why::of_trial)
        };
        self.capabilities_mut().registered_ring = granted;
        Ok(())
    }

    /// Submits a NOP and reaps its completion.
    fn round_trip(&mut self) -> Result<(), Errno> {
        let nop = annulus_abi::Sqe::default();
        // SAFETY: a NOP borrows no memory.
        unsafe { self.push_sqe(&nop) }.map_err(|_| Errno(libc::EBUSY))?;
        let mut refusals = 0;
        while self.cq_ready() == 0 {
            match self.submit_and_wait(1, None) {
                Err(errno) if errno.0 == libc::EINTR => {}
                Err(errno) if refusals < 64 && matches!(errno.0, libc::EAGAIN | libc::EBUSY) => {
                    refusals += 1;
                }
                other => drop(other?),
            }
        }
        let answer = self.completions().next().map_or(Ok(0), |cqe| Errno::from_result(cqe.res));
        answer.map(drop)
    }
}

/// The group that the trial uses and gives back.
const TRIAL_BGID: u16 = u16::MAX;

/// Finds out by a trial, because no feature bit tells, whether buffer rings exist and are
/// incremental.
fn try_buf_rings(ring: &mut Ring, mask: &Mask) {
    let trial = |ring: &mut Ring, flags: BufRegFlags| {
        // SAFETY: no buffer is ever put into this ring.
        let buffers = unsafe { ring.register_buf_ring(1, TRIAL_BGID, flags) }
            .map_err(|error| Why::of_trial(error.errno()))?;
        ring.unregister_buf_ring(buffers).map_err(|(_, errno)| Why::Refused(errno))
    };
    let buf_rings = if mask.buf_rings { Err(Why::Masked) } else { trial(ring, BufRegFlags::EMPTY) };
    let inc_buffers = match buf_rings {
        Err(why) => Err(why),
        Ok(()) if mask.inc_buffers => Err(Why::Masked),
        Ok(()) => trial(ring, BufRegFlags::INC),
    };
    let capabilities = ring.capabilities_mut();
    capabilities.buf_rings = buf_rings;
    capabilities.inc_buffers = inc_buffers;
}
