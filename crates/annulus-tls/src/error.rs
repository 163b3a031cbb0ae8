//! Why there is no connection, in words that say what to do.

use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use rustls::{AlertDescription, CertificateError};

/// Why a handshake failed.
///
/// What fails later is an [`io::Error`]: `InvalidData` with a [`rustls::Error`] inside if the peer
/// broke the protocol, `UnexpectedEof` if the connection ended without close_notify.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It took longer than [`handshake_timeout`](crate::AcceptorBuilder::handshake_timeout).
    TimedOut(Duration),
    /// The peer ended the connection before the handshake was over.
    Closed {
        /// It had not sent a byte: a port scanner, a health check, a browser that thought better
        /// of it.
        silent: bool,
    },
    /// The client speaks HTTP without TLS.
    PlainHttp,
    /// The handshake broke: no common version, a certificate that is not trusted, garbage. The peer
    /// was told by an alert.
    Tls(rustls::Error),
    /// The connection below failed.
    Io(io::Error),
    /// What was to be connected to is neither a host name nor an address.
    Name(String),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(bound) => write!(f, "the TLS handshake took longer than {bound:?}"),
            Self::Closed { silent: true } => {
                f.write_str("the peer ended the connection without beginning a TLS handshake")
            }
            Self::Closed { silent: false } => {
                f.write_str("the peer ended the connection in the middle of the TLS handshake")
            }
            Self::PlainHttp => {
                f.write_str("the client speaks plain HTTP, and this port speaks TLS")
            }
            Self::Tls(error) => write!(f, "the TLS handshake failed: {error}{}", remedy(error)),
            Self::Io(error) => write!(f, "the connection failed during the TLS handshake: {error}"),
            Self::Name(name) => write!(f, "`{name}` is neither a host name nor an IP address"),
        }
    }
}

impl StdError for HandshakeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        let kind = match &error {
            HandshakeError::TimedOut(_) => io::ErrorKind::TimedOut,
            HandshakeError::Closed { .. } => io::ErrorKind::UnexpectedEof,
            HandshakeError::PlainHttp | HandshakeError::Tls(_) => io::ErrorKind::InvalidData,
            HandshakeError::Io(source) => source.kind(),
            HandshakeError::Name(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Why an acceptor or a connector cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A server has no certificate.
    NoIdentity,
    /// Certificates of the other side are to be checked, and nobody is trusted.
    NoRoots,
    /// rustls refuses.
    Tls(rustls::Error),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity => f.write_str(
                "a TLS server needs a certificate: give it an identity, certificates or a resolver",
            ),
            Self::NoRoots => f.write_str(
                "no certificate could be trusted: give roots, those of the system for instance",
            ),
            Self::Tls(error) => write!(f, "TLS cannot be configured so: {error}"),
        }
    }
}

impl StdError for ConfigError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            Self::NoIdentity | Self::NoRoots => None,
        }
    }
}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// What helps against an error, if anything is known to.
fn remedy(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            " (none of the given roots has signed the peer's certificate)"
        }
        rustls::Error::AlertReceived(AlertDescription::UnknownCA) => {
            " (the peer does not trust who signed our certificate)"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            " (the server wants a certificate of the client)"
        }
        rustls::Error::InvalidMessage(_) => " (it does not speak TLS)",
        _ => "",
    }
}

/// An error of the protocol, after the handshake.
pub(crate) fn broken(error: &rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.clone())
}

/// The connection ended, and the peer did not say so.
pub(crate) fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the connection ended without a close_notify: what was received may be cut short",
    )
}

/// Something was written after the end.
pub(crate) fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "this direction of the TLS stream was ended")
}
