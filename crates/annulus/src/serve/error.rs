//! Why a server could not start, or one of its cores ended.

use std::path::PathBuf;
use std::{fmt, io};

use super::listen::Bound;

/// The error of a server: what failed, and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A knob of [`Config`](super::Config) has a value that makes no sense.
    Config(ConfigError),
    /// A listener could not be had.
    Bind {
        /// Where.
        at: Bound,
        /// What the kernel said.
        source: io::Error,
    },
    /// A listener that was to be taken over is none, or could not be received.
    Inherited {
        /// Its name, or where it was to come from.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Who came has not taken over: it is a stranger, has ended before it was ready, or was not
    /// ready in time. This server goes on.
    HandOver(io::Error),
    /// The rights of the process could not be given up; none of the cores runs.
    Privileges {
        /// The step that failed: a call, the look-up of a name, or a check of what is left.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A core could not be made.
    Runtime(crate::Error),
    /// [`Handler::on_start`](super::Handler::on_start) failed.
    Start(io::Error),
    /// Accepting failed for good, or something else of the system was refused.
    Io(io::Error),
}

/// A value of a knob that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    pub(super) knob: &'static str,
    pub(super) problem: String,
}

impl ConfigError {
    /// Which knob.
    pub fn knob(&self) -> &'static str {
        self.knob
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config::{}: {}", self.knob, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// What may help where a listener was refused.
fn hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "; another socket has it: stop that, or choose another",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE, a socket's file a directory that may be \
             written"
        }
        _ => "",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Bind { at, source } => {
                write!(f, "cannot listen at {at}: {source}{}", hint(source.kind()))
            }
            Self::Inherited { name, source } => {
                write!(f, "the inherited listener {name:?} cannot be used: {source}")
            }
            Self::HandOver(error) => write!(f, "a successor has not taken over: {error}"),
            Self::Privileges { step, source } => write!(
                f,
                "{step} failed: {source}; giving up rights needs CAP_SETUID and CAP_SETGID: start as \
                 root, or leave Config::user and Config::group alone"
            ),
            Self::Runtime(error) => error.fmt(f),
            Self::Start(error) => write!(f, "the handler could not start: {error}"),
            Self::Io(error) => write!(f, "a core of the server failed: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Runtime(error) => Some(error),
            Self::Bind { source, .. }
            | Self::Inherited { source, .. }
            | Self::HandOver(source)
            | Self::Privileges { source, .. }
            | Self::Start(source)
            | Self::Io(source) => Some(source),
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Runtime(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(source)
            | Error::Start(source)
            | Error::HandOver(source)
            | Error::Privileges { source, .. }
            | Error::Inherited { source, .. }
            | Error::Bind { source, .. } => source.kind(),
            Error::Config(_) => io::ErrorKind::InvalidInput,
            Error::Runtime(_) => io::ErrorKind::Other,
        };
        match error {
            Error::Runtime(error) => error.into(),
            Error::Io(error) => error,
            error => io::Error::new(kind, error.to_string()),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &PathBuf| path.display().to_string();
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Udp(address) => write!(f, "{address} (UDP)"),
            Self::Unix(at) if at.as_os_str().is_empty() => f.write_str("a nameless Unix socket"),
            Self::Unix(at) => f.write_str(&path(at)),
        }
    }
}
