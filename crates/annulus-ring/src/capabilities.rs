//! What a ring has, and what it lacks and why.
//!
//! Owns: [`Capabilities`], the [`Mask`] that hides some of them, and the words for what is missing.
//! Does not own: finding out (`builder`).
//!
//! Invariants: a capability is granted only if the kernel showed it (a flag accepted, a feature
//! bit, a probed opcode, a trial that worked), never inferred from a version; versions are text for
//! people. Mirrors the flags and features of io_uring_setup(2) and `IORING_REGISTER_PROBE`.

use std::{fmt, io};

use annulus_abi::{Errno, Features, Opcode, Params, Probe, ProbeOp, SetupFlags};

use crate::since;

/// A kernel version, `(major, minor)`.
pub type Version = (u8, u8);

/// What a ring has.
#[derive(Clone, Debug)]
pub struct Capabilities {
    pub(crate) setup: SetupFlags,
    /// The flags of the ladder's first rung.
    pub(crate) wished: SetupFlags,
    pub(crate) features: Features,
    pub(crate) offered: Features,
    pub(crate) ops: OpSet,
    pub(crate) probed: OpSet,
    pub(crate) registered_ring: Result<(), Why>,
    pub(crate) buf_rings: Result<(), Why>,
    pub(crate) inc_buffers: Result<(), Why>,
    pub(crate) masked_setup: SetupFlags,
    pub(crate) entries_asked: u32,
    pub(crate) entries: u32,
}

impl Capabilities {
    /// Of a ring just set up; operations and trials are not known yet.
    pub(crate) fn of(params: &Params, wished: SetupFlags, mask: &Mask, entries_asked: u32) -> Self {
        Self {
            setup: params.flags,
            wished,
            features: params.features.without(mask.features),
            offered: params.features,
            ops: OpSet::default(),
            probed: OpSet::default(),
            registered_ring: Err(Why::NotAsked),
            buf_rings: Err(Why::NotAsked),
            inc_buffers: Err(Why::NotAsked),
            masked_setup: mask.setup,
            entries_asked,
            entries: params.sq_entries,
        }
    }

    /// The setup flags that were granted.
    #[must_use]
    pub fn setup(&self) -> SetupFlags {
        self.setup
    }

    /// The features that the kernel offers and no mask hides.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether the ring has all of these features.
    #[must_use]
    pub fn has(&self, features: Features) -> bool {
        self.features.contains(features)
    }

    /// Whether the ring has this operation.
    #[must_use]
    pub fn supports(&self, op: Opcode) -> bool {
        self.ops.contains(op)
    }

    /// The operations that the ring has.
    pub fn ops(&self) -> impl Iterator<Item = Opcode> + '_ {
        (0..=u8::MAX).map(Opcode).filter(|op| self.ops.contains(*op))
    }

    /// Insists on an operation.
    ///
    /// # Errors
    /// [`Unsupported`], which names the operation and the kernel that has it.
    pub fn require(&self, op: Opcode) -> Result<(), Unsupported> {
        if self.supports(op) {
            return Ok(());
        }
        Err(Unsupported { op, why: self.why_no_op(op) })
    }

    /// Task work runs only while the ring's thread enters.
    #[must_use]
    pub fn defers_task_work(&self) -> bool {
        self.setup.contains(SetupFlags::DEFER_TASKRUN)
    }

    /// A wait takes a timeout (`EXT_ARG`).
    #[must_use]
    pub fn ext_arg(&self) -> bool {
        self.has(Features::EXT_ARG)
    }

    /// A wait need not count as I/O wait.
    #[must_use]
    pub fn no_iowait(&self) -> bool {
        self.has(Features::NO_IOWAIT)
    }

    /// A wait takes a minimum time (`MIN_TIMEOUT`).
    #[must_use]
    pub fn min_timeout(&self) -> bool {
        self.has(Features::MIN_TIMEOUT)
    }

    /// Sends and receives take several provided buffers at once.
    #[must_use]
    pub fn bundle(&self) -> bool {
        self.has(Features::RECVSEND_BUNDLE)
    }

    /// The ring is entered through a registered descriptor.
    #[must_use]
    pub fn registered_ring(&self) -> bool {
        self.registered_ring.is_ok()
    }

    /// Provided-buffer rings can be registered.
    #[must_use]
    pub fn buf_rings(&self) -> bool {
        self.buf_rings.is_ok()
    }

    /// Provided buffers can be consumed in pieces
    /// ([`BufRegFlags::INC`](annulus_abi::BufRegFlags::INC)).
    #[must_use]
    pub fn inc_buffers(&self) -> bool {
        self.inc_buffers.is_ok()
    }

    /// The submission entries that were asked for.
    #[must_use]
    pub fn entries_asked(&self) -> u32 {
        self.entries_asked
    }

    /// Whether the ring had to be made smaller than asked, for want of locked memory (ENOMEM) or
    /// because it was clamped to what the kernel allows.
    #[must_use]
    pub fn shrunk(&self) -> bool {
        self.entries < self.entries_asked
    }

    /// Everything that this version of Annulus knows and the ring lacks.
    pub fn missing(&self) -> impl Iterator<Item = Missing> + '_ {
        let setup = SETUP_SINCE.iter().filter_map(|(flag, since)| {
            let why = self.why_no_setup(*flag)?;
            Some(Missing::new(What::Setup(*flag), *since, why))
        });
        let features = since::FEATURES.iter().filter_map(|(feature, since)| {
            if self.features.contains(*feature) {
                return None;
            }
            let why = why(self.offered.contains(*feature));
            Some(Missing::new(What::Feature(*feature), *since, why))
        });
        let trials = [
            (What::RegisteredRing, (5, 18), self.registered_ring),
            (What::BufRings, (5, 19), self.buf_rings),
            (What::IncBuffers, (6, 12), self.inc_buffers),
        ]
        .into_iter()
        .filter_map(|(what, since, granted)| Some(Missing::new(what, since, granted.err()?)));
        let ops = (0..Opcode::COUNT).map(Opcode).filter_map(|op| {
            if self.supports(op) {
                return None;
            }
            let since = op.since().unwrap_or_default();
            Some(Missing::new(What::Op(op), since, self.why_no_op(op)))
        });
        setup.chain(features).chain(trials).chain(ops)
    }

    pub(crate) fn set_ops(&mut self, probe: &Probe, mask: &Mask) {
        self.probed = OpSet::from(probe);
        self.ops = self.probed.without(mask.ops);
    }

    fn why_no_op(&self, op: Opcode) -> Why {
        why(self.probed.contains(op))
    }

    fn why_no_setup(&self, flag: SetupFlags) -> Option<Why> {
        if self.setup.contains(flag) {
            None
        } else if self.masked_setup.contains(flag) {
            Some(Why::Masked)
        } else if self.wished.contains(flag) {
            Some(Why::TooOld)
        } else {
            Some(Why::NotAsked)
        }
    }
}

fn why(offered: bool) -> Why {
    if offered { Why::Masked } else { Why::TooOld }
}

/// Capabilities to hide, so that tests run what older kernels run.
#[derive(Clone, Copy, Default, Debug)]
pub struct Mask {
    pub(crate) setup: SetupFlags,
    pub(crate) features: Features,
    pub(crate) ops: OpSet,
    pub(crate) registered_ring: bool,
    pub(crate) buf_rings: bool,
    pub(crate) inc_buffers: bool,
}

impl Mask {
    /// Hides nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Hides setup flags: the ladder starts below them.
    #[must_use]
    pub fn setup(mut self, flags: SetupFlags) -> Self {
        self.setup |= flags;
        self
    }

    /// Hides features.
    #[must_use]
    pub fn features(mut self, features: Features) -> Self {
        self.features |= features;
        self
    }

    /// Hides an operation.
    #[must_use]
    pub fn op(mut self, op: Opcode) -> Self {
        self.ops.insert(op);
        self
    }

    /// Hides the registered descriptor.
    #[must_use]
    pub fn registered_ring(mut self) -> Self {
        self.registered_ring = true;
        self
    }

    /// Hides provided-buffer rings.
    #[must_use]
    pub fn buf_rings(mut self) -> Self {
        self.buf_rings = true;
        self
    }

    /// Hides incremental consumption of provided buffers.
    #[must_use]
    pub fn inc_buffers(mut self) -> Self {
        self.inc_buffers = true;
        self
    }
}

/// Why a capability is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// This kernel does not have it.
    TooOld,
    /// A [`Mask`] hides it.
    Masked,
    /// The kernel has it and refused it.
    Refused(Errno),
    /// The builder's other choices exclude it, or nobody has asked for it yet.
    NotAsked,
}

impl Why {
    /// What an error of a trial request says: EINVAL is how a kernel reports what it does not know.
    pub(crate) fn of_trial(errno: Errno) -> Self {
        if errno.0 == libc::EINVAL { Self::TooOld } else { Self::Refused(errno) }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOld => f.write_str("this kernel does not have it"),
            Self::Masked => f.write_str("hidden by a mask"),
            Self::Refused(errno) => write!(f, "refused: {errno}"),
            Self::NotAsked => f.write_str("not asked for"),
        }
    }
}

/// A capability, as a thing that can be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A setup flag.
    Setup(SetupFlags),
    /// A feature.
    Feature(Features),
    /// An operation.
    Op(Opcode),
    /// The registered descriptor.
    RegisteredRing,
    /// Provided-buffer rings.
    BufRings,
    /// Incremental consumption of provided buffers.
    IncBuffers,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(flag) => write!(f, "{flag:?}"),
            Self::Feature(feature) => write!(f, "{feature:?}"),
            Self::Op(op) => write!(f, "Op({})", op.name()),
            Self::RegisteredRing => f.write_str("registered ring descriptor"),
            Self::BufRings => f.write_str("provided-buffer rings"),
            Self::IncBuffers => f.write_str("incremental provided buffers"),
        }
    }
}

/// A capability that a ring lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// Which.
    pub what: What,
    /// The first kernel that has it.
    pub since: Version,
    /// Why this ring does not.
    pub why: Why,
}

impl Missing {
    fn new(what: What, since: Version, why: Why) -> Self {
        Self { what, since, why }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.since;
        write!(f, "{} (Linux {major}.{minor}): {}", self.what, self.why)
    }
}

/// The ring lacks an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsupported {
    /// Which.
    pub op: Opcode,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this ring cannot {}", self.op.name())?;
        if let Some((major, minor)) = self.op.since() {
            write!(f, " (needs Linux {major}.{minor})")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for Unsupported {}

impl From<Unsupported> for io::Error {
    fn from(unsupported: Unsupported) -> Self {
        Self::new(io::ErrorKind::Unsupported, unsupported)
    }
}

/// A set of opcodes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OpSet([u64; 4]);

impl OpSet {
    pub(crate) fn contains(&self, op: Opcode) -> bool {
        self.0[usize::from(op.0 / 64)] & (1 << (op.0 % 64)) != 0
    }

    pub(crate) fn insert(&mut self, op: Opcode) {
        self.0[usize::from(op.0 / 64)] |= 1 << (op.0 % 64);
    }

    fn without(mut self, other: Self) -> Self {
        for (word, hidden) in self.0.iter_mut().zip(other.0) {
            *word &= !hidden;
        }
        self
    }
}

impl From<&Probe> for OpSet {
    fn from(probe: &Probe) -> Self {
        let mut set = Self::default();
        for entry in &probe.ops[..usize::from(probe.ops_len)] {
            if entry.flags & ProbeOp::SUPPORTED != 0 {
                set.insert(entry.op);
            }
        }
        set
    }
}

impl fmt::Debug for OpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops = (0..=u8::MAX).map(Opcode).filter(|op| self.contains(*op));
        f.debug_set().entries(ops.map(Opcode::name)).finish()
    }
}

/// The flags of the ladder and the kernels that brought them.
const SETUP_SINCE: [(SetupFlags, Version); 8] = [
    (SetupFlags::CQSIZE, (5, 5)),
    (SetupFlags::R_DISABLED, (5, 10)),
    (SetupFlags::SUBMIT_ALL, (5, 18)),
    (SetupFlags::COOP_TASKRUN, (5, 19)),
    (SetupFlags::TASKRUN_FLAG, (5, 19)),
    (SetupFlags::SINGLE_ISSUER, (6, 0)),
    (SetupFlags::DEFER_TASKRUN, (6, 1)),
    (SetupFlags::NO_SQARRAY, (6, 6)),
];

#[cfg(test)]
mod tests;
