//! Why an entry was not pushed, or a batch not submitted.
//!
//! Owns: the errors of a [`Submitter`](crate::Submitter). Does not own: when they occur. Invariant:
//! none of them loses an entry.

use core::fmt;
use std::io;

use annulus_abi::{Errno, Opcode};

/// An entry was not pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PushError {
    /// No room: as many requests are in flight, or as many entries in the submission queue, as
    /// there can be. Submit, reap, and push again; or
    /// [`Submitter::wait_for_room`](crate::Submitter::wait_for_room).
    Full,
    /// A chain or reservation is longer than the ring ever has room for.
    TooMany {
        /// How many entries there can be.
        most: u32,
    },
    /// The request may complete more than once or not at all (multishot, zero-copy sends,
    /// `CQE_SKIP_SUCCESS`), so no credit can be kept for it. Use a [`Ring`](crate::Ring).
    Completions(Opcode),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("as many requests are in flight as the ring has room for"),
            Self::TooMany { most } => {
                write!(f, "the ring never has room for more than {most} entries at once")
            }
            Self::Completions(op) => write!(
                f,
                "{op:?} was asked for in a form that does not complete exactly once, which a \
                 shared ring cannot account for"
            ),
        }
    }
}

impl std::error::Error for PushError {}

impl From<PushError> for io::Error {
    fn from(error: PushError) -> Self {
        let kind = match error {
            PushError::Full => io::ErrorKind::WouldBlock,
            PushError::TooMany { .. } | PushError::Completions(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// The last entry of the batch is linked to the next one, which would be another thread's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenChain;

impl fmt::Display for OpenChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the last entry of the batch is linked to one that was not pushed")
    }
}

impl std::error::Error for OpenChain {}

/// A batch was not submitted, or not all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubmitError {
    /// The batch ends in the middle of a chain. It is as it was: push the rest.
    OpenChain,
    /// The kernel refused. What it did not consume is pending, and goes with the next submission.
    Kernel(Errno),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenChain => OpenChain.fmt(f),
            Self::Kernel(errno) => write!(f, "io_uring_enter(2) failed: {errno}"),
        }
    }
}

impl std::error::Error for SubmitError {}

impl From<OpenChain> for SubmitError {
    fn from(OpenChain: OpenChain) -> Self {
        Self::OpenChain
    }
}

impl From<Errno> for SubmitError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<SubmitError> for io::Error {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::OpenChain => Self::new(io::ErrorKind::InvalidInput, OpenChain),
            SubmitError::Kernel(errno) => errno.into(),
        }
    }
}
