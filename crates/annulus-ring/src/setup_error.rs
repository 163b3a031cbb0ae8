//! A ring that could not be made: which call refused, why, how that is known, and what to do.
//!
//! Owns [`SetupError`], its text and its conversion into `io::Error`. Does not own: the facts, the
//! decision and the advice ([`diagnose`](crate::diagnose)). Invariant: the text is complete on its
//! own, for it may be the only line of a log that somebody sees.
//!
//! Mirrors the ERRORS of io_uring_setup(2).

use core::fmt;
use std::error::Error;
use std::io;

use annulus_abi::{Errno, Params};

use crate::{
    Conflict, PagesError,
    diagnose::{self, Evidence},
};

#[cfg(test)]
mod tests;

/// Which step of making a ring was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// io_uring_setup(2).
    Setup,
    /// mmap(2) of the queues.
    Map,
    /// io_uring_register(2).
    Register,
    /// io_uring_enter(2).
    Enter,
    /// io_uring_register(2) with IORING_REGISTER_PROBE.
    Probe,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Setup => "io_uring_setup(2)",
            Self::Map => "mmap(2) of the ring's queues",
            Self::Register => "io_uring_register(2)",
            Self::Enter => "io_uring_enter(2)",
            Self::Probe => "io_uring_register(2) with IORING_REGISTER_PROBE",
        })
    }
}

/// Why a ring could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// A seccomp filter, as containers and services have them.
    Seccomp,
    /// `kernel.io_uring_disabled`.
    Sysctl,
    /// A Linux security module, or a sandbox that this process cannot see.
    Lsm,
    /// This kernel has no io_uring.
    NotBuilt,
    /// `RLIMIT_MEMLOCK`.
    Memlock,
    /// This kernel lacks something that was asked for.
    TooOld,
    /// A filter that lets setup pass and refuses another of the three calls.
    PartialFilter,
    /// No descriptor is left, in the process or in the system.
    Descriptors,
    /// The CPU that the submission thread was to be bound to is not there.
    Cpu,
    /// The number of entries is none that the kernel allows.
    Size,
    /// The descriptor of the ring to attach to is not that of a ring.
    Attach,
    /// Choices that do not go together; the kernel was not asked.
    Conflict(Conflict),
    /// The memory that was brought for the ring cannot hold it; the kernel was not asked.
    Pages(PagesError),
    /// Something else.
    Other(Errno),
}

impl Cause {
    /// The name of the variant, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "Seccomp",
            Self::Sysctl => "Sysctl",
            Self::Lsm => "Lsm",
            Self::NotBuilt => "NotBuilt",
            Self::Memlock => "Memlock",
            Self::TooOld => "TooOld",
            Self::PartialFilter => "PartialFilter",
            Self::Descriptors => "Descriptors",
            Self::Cpu => "Cpu",
            Self::Size => "Size",
            Self::Attach => "Attach",
            Self::Conflict(_) => "Conflict",
            Self::Pages(_) => "Pages",
            Self::Other(_) => "Other",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seccomp => "a seccomp filter of the container or service refuses io_uring",
            Self::Sysctl => "the sysctl kernel.io_uring_disabled refuses io_uring",
            Self::Lsm => "a security module or an outer sandbox refuses io_uring",
            Self::NotBuilt => "this kernel has no io_uring",
            Self::Memlock => {
                "the limit on locked memory (RLIMIT_MEMLOCK) leaves no room for the ring"
            }
            Self::TooOld => "this kernel lacks something that the ring was asked for",
            Self::PartialFilter => "a seccomp filter lets only some of the io_uring calls pass",
            Self::Descriptors => "no file descriptor is left",
            Self::Cpu => "the CPU for the submission thread (SQPOLL) is not online",
            Self::Size => "the kernel allows no ring of that size",
            Self::Attach => "what the ring was to be attached to is no ring that can share",
            Self::Conflict(conflict) => return conflict.fmt(f),
            Self::Pages(error) => return error.fmt(f),
            Self::Other(errno) => return write!(f, "not a known refusal ({errno})"),
        })
    }
}

/// A ring could not be made.
///
/// `Display` is several lines: what failed, the cause, the evidence for it and the remedy. It is
/// the same text that `annulus doctor` prints.
pub struct SetupError(Box<Refusal>);

/// Boxed, so that a `Result` of a ring stays small.
struct Refusal {
    stage: Stage,
    errno: Errno,
    asked: Params,
    cause: Cause,
    evidence: Evidence,
}

impl SetupError {
    /// A refusal that happened just now: reads the evidence from the system, and decides.
    #[must_use]
    pub fn new(stage: Stage, errno: Errno, asked: &Params) -> Self {
        let mut evidence = Evidence::gather();
        evidence.note_attached(asked);
        Self::with_evidence(stage, errno, asked, evidence)
    }

    /// A wish that cannot be granted, found before the kernel was asked.
    pub(crate) fn unasked(cause: Cause, asked: &Params) -> Self {
        let errno = match cause {
            Cause::Pages(PagesError::NotMapped(errno)) => errno,
            _ => Errno(libc::EINVAL),
        };
        let evidence = Evidence::default();
        Self(Box::new(Refusal { stage: Stage::Setup, errno, asked: *asked, cause, evidence }))
    }

    /// A refusal with evidence that was gathered elsewhere, e.g. of another process or of a
    /// simulated system.
    #[must_use]
    pub fn with_evidence(stage: Stage, errno: Errno, asked: &Params, evidence: Evidence) -> Self {
        Self(Box::new(Refusal {
            stage,
            errno,
            asked: *asked,
            cause: diagnose::cause(stage, errno, asked, &evidence),
            evidence,
        }))
    }

    /// Which call refused.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// What it answered.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.0.errno
    }

    /// What the ring was asked to be, on the last rung of the ladder.
    #[must_use]
    pub fn asked(&self) -> &Params {
        &self.0.asked
    }

    /// Why, as far as the evidence tells.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.0.cause
    }

    /// The facts that were read from the system when the call was refused.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.0.evidence
    }

    /// What to do, step by step, the most likely step first.
    #[must_use]
    pub fn remedy(&self) -> Vec<String> {
        diagnose::remedy(self.0.cause, self.0.stage, &self.0.asked, &self.0.evidence)
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { stage, errno, cause, .. } = &*self.0;
        if matches!(cause, Cause::Conflict(_) | Cause::Pages(_)) {
            write!(f, "no io_uring: {cause} (the kernel was not asked)\nremedy:")?;
            return self.remedy().iter().try_for_each(|step| write!(f, "\n  - {step}"));
        }
        writeln!(f, "no io_uring: {stage} failed: {errno}")?;
        writeln!(f, "cause: {cause}")?;
        write!(f, "evidence:")?;
        for fact in self.0.evidence.facts() {
            write!(f, "\n  - {fact}")?;
        }
        write!(f, "\nremedy:")?;
        for step in self.remedy() {
            write!(f, "\n  - {step}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetupError")
            .field("stage", &self.0.stage)
            .field("errno", &self.0.errno)
            .field("cause", &self.0.cause)
            .field("asked", &self.0.asked.flags)
            .field("evidence", &self.0.evidence)
            .finish()
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0.errno)
    }
}

impl From<SetupError> for io::Error {
    /// Keeps the kind of the errno, and the whole error inside.
    fn from(error: SetupError) -> Self {
        let kind = Self::from(error.errno()).kind();
        Self::new(kind, error)
    }
}
