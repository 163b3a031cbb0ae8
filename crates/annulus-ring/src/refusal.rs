//! Operations that a ring cannot take, and why.
//!
//! Owns: the three ways in which a description is refused: its options exclude one another
//! ([`OpConflict`]), the ring lacks something that can be asked for ([`Inadmissible`]), the kernel
//! said no ([`Refused`]). Does not own: what an operation needs; it says so itself
//! ([`Op::check`], [`Op::features`], [`Op::since`]).
//!
//! Invariants: versions are text. Whether a kernel has an *option* of an operation can seldom be
//! asked: most have no feature bit, and the answer to an unknown one is EINVAL. So there is a check
//! before, for what can be known, and an explanation after, for what cannot.

use std::{fmt, io};

use annulus_abi::{Errno, Features, Opcode};

use crate::{Capabilities, Unsupported, Version, op::Op};

/// Options of one operation that exclude one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpConflict {
    /// The operation.
    pub op: Opcode,
    /// What excludes what, as a clause.
    pub why: &'static str,
}

impl OpConflict {
    /// The first of these reasons that holds.
    pub(crate) fn if_any(op: Opcode, reasons: &[(bool, &'static str)]) -> Result<(), Self> {
        match reasons.iter().find(|(holds, _)| *holds) {
            Some((_, why)) => Err(Self { op, why }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OpConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.op.name(), self.why)
    }
}

impl std::error::Error for OpConflict {}

impl From<OpConflict> for io::Error {
    fn from(conflict: OpConflict) -> Self {
        Self::new(io::ErrorKind::InvalidInput, conflict)
    }
}

/// An operation that a ring cannot take as it is described.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inadmissible {
    /// Its options exclude one another.
    Conflict(OpConflict),
    /// The ring lacks the operation.
    Unsupported(Unsupported),
    /// The ring has the operation, and lacks a feature that its options depend on.
    Features {
        /// The operation.
        op: Opcode,
        /// What is missing.
        missing: Features,
        /// The first kernel that has the operation with these options.
        since: Version,
    },
}

impl fmt::Display for Inadmissible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Unsupported(unsupported) => unsupported.fmt(f),
            Self::Features { op, missing, since: (major, minor) } => {
                let op = op.name();
                write!(f, "this ring cannot {op} so (needs Linux {major}.{minor}): no {missing:?}")
            }
        }
    }
}

impl std::error::Error for Inadmissible {}

impl From<Inadmissible> for io::Error {
    fn from(inadmissible: Inadmissible) -> Self {
        match inadmissible {
            Inadmissible::Conflict(conflict) => conflict.into(),
            other => Self::new(io::ErrorKind::Unsupported, other),
        }
    }
}

impl Capabilities {
    /// Insists that an operation can be taken as it is described: that its options go together,
    /// and that the ring has the operation and each feature that the kernel tells of.
    ///
    /// An option that is newer than the operation and has no feature bit passes, and the kernel
    /// answers `EINVAL`: [`Refused`] then says which kernel has it.
    ///
    /// ```
    /// use annulus_abi::TimeoutFlags;
    /// use annulus_ring::{Ring, op::TimeoutNs};
    ///
    /// let ring = Ring::new(8)?;
    /// let clocks = TimeoutFlags::BOOTTIME | TimeoutFlags::REALTIME;
    /// let both = TimeoutNs { timeout_ns: 1, count: 0, flags: clocks };
    /// let error = ring.capabilities().admit(&both).unwrap_err();
    /// assert_eq!(error.to_string(), "TIMEOUT: one clock at most");
    /// # Ok::<(), annulus_ring::SetupError>(())
    /// ```
    ///
    /// # Errors
    /// [`Inadmissible`].
    pub fn admit<O: Op>(&self, op: &O) -> Result<(), Inadmissible> {
        op.check().map_err(Inadmissible::Conflict)?;
        self.require(O::OPCODE).map_err(Inadmissible::Unsupported)?;
        let missing = op.features().without(self.features());
        if missing.is_empty() {
            return Ok(());
        }
        Err(Inadmissible::Features { op: O::OPCODE, missing, since: op.since() })
    }
}

/// An operation that the kernel refused, with the version that has it in this form.
///
/// ```
/// use annulus_abi::{Errno, TimeoutFlags};
/// use annulus_ring::{Refused, op::TimeoutNs};
///
/// let timeout = TimeoutNs { timeout_ns: 1_000_000, count: 0, flags: TimeoutFlags::EMPTY };
/// let refused = Refused::new(&timeout, Errno(libc::EINVAL));
/// let text = "the kernel refused TIMEOUT (with these options since Linux 7.1): Invalid argument";
/// assert!(refused.to_string().starts_with(text));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The operation.
    pub op: Opcode,
    /// The first kernel that has it with these options.
    pub since: Version,
    /// What the kernel said.
    pub errno: Errno,
}

impl Refused {
    /// What became of `op`, which ended with `errno`.
    #[must_use]
    pub fn new<O: Op>(op: &O, errno: Errno) -> Self {
        Self { op: O::OPCODE, since: op.since(), errno }
    }

    /// Whether the kernel may be too old: whether the error is one that it has for what it does not
    /// know.
    #[must_use]
    pub fn may_be_too_old(&self) -> bool {
        matches!(self.errno.0, libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel refused {}", self.op.name())?;
        if self.may_be_too_old() {
            let (major, minor) = self.since;
            write!(f, " (with these options since Linux {major}.{minor})")?;
        }
        write!(f, ": {}", self.errno)
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::new(io::Error::from(refused.errno).kind(), refused)
    }
}

#[cfg(test)]
mod tests;
