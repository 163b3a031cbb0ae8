//! Opening a ring.
//!
//! Owns: the descent of the ladder, and what is found out before the ring is given away. Does not
//! own: what the result means (`capabilities`), or the words of a refusal (`setup_error`).
//!
//! Invariants: choices that exclude one another are refused before the kernel is asked; only EINVAL
//! descends a rung and only ENOMEM halves the size; any other error ends the attempt; a ring that
//! is returned has completed a NOP (unless it was asked to stay disabled), so a filter that lets
//! io_uring_setup(2) pass and nothing else is found here and not in the first read. Mirrors
//! io_uring_setup(2).

use annulus_abi::{BufRegFlags, Cqe, Errno, Opcode, Params, RegisterOp, SetupFlags, Sqe};

use super::Builder;
use crate::{
    AnyKernel, Capabilities, Cause, Conflict, CqeShape, Kernel, Mask, Pages, PagesError, Ring,
    RingMemory, SetupError, SqeShape, TaskWork, Why, ladder::Wish, setup_error::Stage,
};

/// A ring is not halved below so many entries for want of memory.
const ENTRIES_FLOOR: u32 = 32;
/// Completion entries for each submission entry: one request can complete many times.
const CQ_FACTOR: u32 = 8;
/// The kernel's limit of completion entries.
const CQ_MAX: u32 = 65536;
/// The flags that decide about the sizes of entries.
const SHAPES: SetupFlags = SetupFlags::SQE128
    .union(SetupFlags::SQE_MIXED)
    .union(SetupFlags::CQE32)
    .union(SetupFlags::CQE_MIXED);

/// What the kernel made of the request, and what was wished at best.
struct Opened {
    memory: RingMemory,
    params: Params,
    wished: SetupFlags,
}

impl Builder {
    /// Opens the ring on this thread.
    ///
    /// # Errors
    /// [`SetupError`], with cause, evidence and remedy.
    pub fn build(self) -> Result<Ring, SetupError> {
        self.build_as::<Sqe, Cqe>()
    }

    /// Opens a ring with entries of other sizes on this thread: see [`SqeShape`] and [`CqeShape`].
    ///
    /// ```
    /// # fn main() -> Result<(), annulus_ring::SetupError> {
    /// use annulus_ring::{Ring, abi::{Cqe32, Sqe128}};
    ///
    /// let ring: Ring<Sqe128, Cqe32> = Ring::builder().entries(8).build_as()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SetupError`], with cause, evidence and remedy.
    #[doc(alias = "IORING_SETUP_SQE128")]
    #[doc(alias = "IORING_SETUP_SQE_MIXED")]
    #[doc(alias = "IORING_SETUP_CQE32")]
    #[doc(alias = "IORING_SETUP_CQE_MIXED")]
    pub fn build_as<S: SqeShape, C: CqeShape>(mut self) -> Result<Ring<S, C>, SetupError> {
        self.check(S::SETUP | C::SETUP)?;
        self.demanded |= S::SETUP | C::SETUP;
        let Opened { memory, params, wished } = self.descend()?;
        let capabilities = Capabilities::of(&params, wished, &self.mask, self.entries);
        let no_iowait = self.no_iowait && capabilities.no_iowait();
        // SAFETY: the kernel just described this memory by these parameters, which have the flags
        // of both shapes, and nobody else has it.
        let mut ring = unsafe { Ring::new_in(self.kernel, memory, params, capabilities) };
        ring.set_no_iowait(no_iowait);
        ring.set_mask(self.mask);
        match ring.probe() {
            Ok(probe) => ring.capabilities_mut().set_ops(&probe, &self.mask),
            Err(errno) => return Err(SetupError::new(Stage::Probe, errno, &params)),
        }
        try_buf_rings(&mut ring, &self.mask);
        if let Some(restrictions) = &self.restrictions {
            let restricted = ring.restrict(restrictions);
            restricted.map_err(|errno| SetupError::new(Stage::Register, errno, &params))?;
        }
        if !self.disabled {
            ring.enable()?;
        }
        Ok(ring)
    }

    /// Whether the choices go together, with each other and with the shapes of the entries.
    fn check(&mut self, shapes: SetupFlags) -> Result<(), SetupError> {
        let chosen = self.chosen();
        let conflict = match self.exact {
            Some(_) if chosen.without(shapes).intersects(SHAPES) => {
                Some(Conflict::NotTheShape(SetupFlags(chosen.without(shapes).0 & SHAPES.0)))
            }
            Some(_) if shapes.without(chosen) != SetupFlags::EMPTY => {
                Some(Conflict::NotTheShape(shapes.without(chosen)))
            }
            _ => Conflict::of(chosen | shapes),
        };
        let conflict = conflict.or_else(|| {
            let rewinds = chosen.contains(SetupFlags::SQ_REWIND);
            rewinds.then_some(Conflict::NotOffered(SetupFlags::SQ_REWIND))
        });
        let conflict = conflict.or_else(|| match (&mut self.kernel, self.pages.is_some()) {
            (_, false) => chosen.contains(SetupFlags::NO_MMAP).then_some(Conflict::NoMemory),
            (AnyKernel::Dyn(_), true) => Some(Conflict::NotOffered(SetupFlags::NO_MMAP)),
            (AnyKernel::Real(_), true) => None,
        });
        let asked = self.params(self.entries, chosen | shapes);
        conflict.map_or(Ok(()), |it| Err(SetupError::unasked(Cause::Conflict(it), &asked)))
    }

    /// The flags that somebody asked for, as opposed to the defaults.
    fn chosen(&self) -> SetupFlags {
        if let Some(exact) = self.exact {
            let lent = if self.pages.is_some() { SetupFlags::NO_MMAP } else { SetupFlags::EMPTY };
            return exact.flags | lent;
        }
        let mut chosen = self.demanded;
        if let Some(sqpoll) = self.sqpoll {
            chosen |= SetupFlags::SQPOLL;
            chosen |= sqpoll.cpu.map_or(SetupFlags::EMPTY, |_| SetupFlags::SQ_AFF);
        }
        match self.task_work {
            Some(TaskWork::Defer) => {
                let issuer = SetupFlags::SINGLE_ISSUER.without(self.unwanted);
                chosen | SetupFlags::DEFER_TASKRUN | issuer
            }
            Some(TaskWork::Coop) => chosen | SetupFlags::COOP_TASKRUN,
            Some(TaskWork::Interrupt) | None => chosen,
        }
    }

    /// Tries rung after rung, and sizes within a rung.
    fn descend(&mut self) -> Result<Opened, SetupError> {
        let rungs = self.rungs();
        let wished = rungs[0];
        let pages_bytes = self.pages.as_ref().map(Pages::bytes);
        if let (AnyKernel::Real(real), Some(pages)) = (&mut self.kernel, self.pages.take()) {
            real.bring(pages);
        }
        let floor = if self.shrink && self.exact.is_none() { ENTRIES_FLOOR } else { u32::MAX };
        let mut entries = self.entries;
        let mut rung = 0;
        loop {
            let asked = self.params(entries, rungs[rung]);
            if let Some(given_bytes) = pages_bytes {
                check_size(given_bytes, entries, &asked)?;
            }
            let mut params = asked;
            let errno = match self.kernel.setup(entries, &mut params) {
                Ok(memory) => return Ok(Opened { memory, params, wished }),
                Err(errno) => errno,
            };
            if errno.0 == libc::EINVAL && rung + 1 < rungs.len() {
                rung += 1;
            } else if errno.0 == libc::ENOMEM && entries > floor {
                entries = (entries.next_power_of_two() / 2).max(ENTRIES_FLOOR);
            } else {
                return Err(SetupError::new(Stage::Setup, errno, &asked));
            }
        }
    }

    fn rungs(&self) -> Vec<SetupFlags> {
        if self.exact.is_some() {
            return vec![self.chosen()];
        }
        let wish = Wish {
            task_work: self.task_work.unwrap_or_default(),
            sqpoll: self.sqpoll.is_some(),
            sqpoll_cpu: self.sqpoll.is_some_and(|sqpoll| sqpoll.cpu.is_some()),
            clamp: self.clamp,
            masked: self.mask.setup | self.unwanted | self.withheld,
            demanded: self.demanded,
        };
        wish.rungs()
    }

    fn params(&self, entries: u32, flags: SetupFlags) -> Params {
        if let Some(exact) = self.exact {
            let (sq_off, cq_off) = Default::default();
            return Params { sq_entries: entries, flags, sq_off, cq_off, ..exact };
        }
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
            wq_fd: self.attach.map_or(0, |fd| fd as u32),
            ..Params::default()
        }
    }
}

/// Whether memory of the caller holds such a ring.
fn check_size(given_bytes: usize, entries: u32, asked: &Params) -> Result<(), SetupError> {
    let needed_bytes = Pages::needed_bytes(entries, asked);
    if given_bytes >= needed_bytes {
        return Ok(());
    }
    let too_small = PagesError::TooSmall { given_bytes, needed_bytes };
    Err(SetupError::unasked(Cause::Pages(too_small), asked))
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Enables a ring that was built [`disabled`](Builder::disabled), proves that it works, and
    /// registers its descriptor with this thread. Does nothing on a ring that is enabled.
    ///
    /// # Errors
    /// [`SetupError`] if the kernel refuses any ring call after setup.
    #[doc(alias = "io_uring_enable_rings")]
    #[doc(alias = "IORING_REGISTER_ENABLE_RINGS")]
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
        } else if !self.may_register_itself() {
            Err(Why::Refused(Errno(libc::EACCES)))
        } else {
            self.kernel().register_ring().map_err(Why::of_trial)
        };
        self.capabilities_mut().registered_ring = granted;
        Ok(())
    }

    /// Whether the restrictions let the descriptor be registered *and* removed again.
    fn may_register_itself(&self) -> bool {
        let both = [RegisterOp::RING_FDS, RegisterOp::UNREGISTER_RING_FDS];
        self.restricted.as_ref().is_none_or(|it| both.iter().all(|op| it.allows_registration(*op)))
    }

    /// Submits a NOP and reaps its completion.
    fn round_trip(&mut self) -> Result<(), Errno> {
        let slot = self.sq.vacant().ok_or(Errno(libc::EBUSY))?;
        S::sqe(slot).opcode = Opcode::NOP;
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
        let res = self.completions().next().map_or(0, |cqe| C::cqe(&cqe).res);
        // That restrictions forbid a NOP shows as well as its success that the ring works.
        if self.restricted.is_some() && res == -libc::EACCES {
            return Ok(());
        }
        Errno::from_result(res).map(drop)
    }
}

/// The group that the trial uses and gives back.
const TRIAL_BGID: u16 = u16::MAX;

/// Finds out by a trial, because no feature bit tells, whether buffer rings exist and are
/// incremental.
fn try_buf_rings<S: SqeShape, C: CqeShape>(ring: &mut Ring<S, C>, mask: &Mask) {
    let trial = |ring: &mut Ring<S, C>, flags: BufRegFlags| {
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
