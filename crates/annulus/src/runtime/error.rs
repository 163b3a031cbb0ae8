//! Why a runtime could not be made.

use std::{fmt, io};

use annulus_ring::SetupError;
use annulus_task::RegistryFull;

/// The error of set-up and launch: what failed, and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a ring; the error has cause, evidence and remedy.
    Ring(SetupError),
    /// Too many cores live in this process.
    TooManyCores(RegistryFull),
    /// Something else of the system, a descriptor or memory, was refused.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(error) => error.fmt(f),
            Self::TooManyCores(error) => error.fmt(f),
            Self::Io(error) => write!(f, "a runtime could not be made: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ring(error) => Some(error),
            Self::TooManyCores(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<SetupError> for Error {
    fn from(error: SetupError) -> Self {
        Self::Ring(error)
    }
}

impl From<RegistryFull> for Error {
    fn from(error: RegistryFull) -> Self {
        Self::TooManyCores(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Ring(error) => error.into(),
            Error::TooManyCores(error) => io::Error::other(error),
        }
    }
}
