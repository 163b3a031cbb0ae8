//! Setup flags that do not go together.
//!
//! Owns: the rules of the kernel as a table, and [`Conflict`], which names both sides of one that
//! was broken. Does not own: asking (`builder`). Invariant: a rule stands here only if every kernel
//! that has both flags answers EINVAL, so nothing is refused that would have worked. Mirrors the
//! ERRORS of io_uring_setup(2).

use core::fmt;

use annulus_abi::SetupFlags;

use crate::since::setup_flag_name;

/// Two choices that do not go together.
///
/// Found before the kernel is asked, whose answer would be a bare EINVAL.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Conflict {
    /// Two flags exclude one another.
    Excludes(SetupFlags, SetupFlags),
    /// The first flag is nothing without one of the others.
    Needs(SetupFlags, SetupFlags),
    /// `NO_MMAP` was asked for, and no memory was brought.
    NoMemory,
    /// The queues of this crate do not work in the way that the flag asks for.
    NotOffered(SetupFlags),
    /// The flag belongs to the type of the ring, and the type says otherwise.
    NotTheShape(SetupFlags),
}

impl Conflict {
    /// The first rule that `flags` break.
    #[must_use]
    pub fn of(flags: SetupFlags) -> Option<Self> {
        let excluding = EXCLUDES.iter().map(|(one, other)| Self::Excludes(*one, *other));
        let needing = NEEDS.iter().map(|(one, others)| Self::Needs(*one, *others));
        excluding.chain(needing).find(|rule| match rule {
            Self::Excludes(one, other) => flags.contains(*one) && flags.contains(*other),
            Self::Needs(one, others) => flags.contains(*one) && !flags.intersects(*others),
            _ => false,
        })
    }

    /// What to do about it.
    pub(crate) fn remedy(self) -> String {
        match self {
            Self::Excludes(one, other) => {
                format!("ask for {} or for {}, not for both", names(one), names(other))
            }
            Self::Needs(one, others) => {
                format!("ask for {} as well, or not for {}", names(others), names(one))
            }
            Self::NoMemory => "bring memory: Builder::memory".to_owned(),
            Self::NotOffered(flag) => {
                format!("ask for a ring without {}, or use annulus_abi::setup", names(flag))
            }
            Self::NotTheShape(flag) => format!(
                "leave {} to the type: Builder::build_as::<Sqe128, Cqe32>() and the like ask for \
                 it by themselves",
                names(flag)
            ),
        }
    }
}

/// Pairs that no kernel accepts.
const EXCLUDES: [(SetupFlags, SetupFlags); 6] = [
    (SetupFlags::SQPOLL, SetupFlags::DEFER_TASKRUN),
    (SetupFlags::SQPOLL, SetupFlags::COOP_TASKRUN),
    (SetupFlags::SQPOLL, SetupFlags::TASKRUN_FLAG),
    (SetupFlags::SQPOLL, SetupFlags::SQ_REWIND),
    (SetupFlags::SQE128, SetupFlags::SQE_MIXED),
    (SetupFlags::CQE32, SetupFlags::CQE_MIXED),
];

/// Flags that need one of others.
const NEEDS: [(SetupFlags, SetupFlags); 6] = [
    (SetupFlags::SQ_AFF, SetupFlags::SQPOLL),
    (SetupFlags::DEFER_TASKRUN, SetupFlags::SINGLE_ISSUER),
    (SetupFlags::TASKRUN_FLAG, SetupFlags::COOP_TASKRUN.union(SetupFlags::DEFER_TASKRUN)),
    (SetupFlags::HYBRID_IOPOLL, SetupFlags::IOPOLL),
    (SetupFlags::REGISTERED_FD_ONLY, SetupFlags::NO_MMAP),
    (SetupFlags::SQ_REWIND, SetupFlags::NO_SQARRAY),
];

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Excludes(one, other) => {
                write!(f, "{} and {} exclude one another", names(one), names(other))
            }
            Self::Needs(one, others) => write!(f, "{} needs {}", names(one), names(others)),
            Self::NoMemory => f.write_str("NO_MMAP needs memory of the caller"),
            Self::NotOffered(flag) => {
                write!(f, "the queues of this kernel and crate do not work with {}", names(flag))
            }
            Self::NotTheShape(flag) => {
                write!(f, "{} does not fit the sizes of entries in the ring's type", names(flag))
            }
        }
    }
}

impl std::error::Error for Conflict {}

/// The kernel's names of flags, of which one is enough.
fn names(flags: SetupFlags) -> String {
    let named = SetupFlags::NAMES.iter().map(|(_, flag)| *flag);
    let named: Vec<_> = named.filter(|flag| flags.contains(*flag)).map(setup_flag_name).collect();
    named.join(" or ")
}

#[cfg(test)]
mod tests;
