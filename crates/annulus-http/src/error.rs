//! What can go wrong, in words that name the other side.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::{fmt, io};

use http::Uri;

/// Why a connection of a server, or a request of a client, failed.
///
/// Its text has the whole story; [`source`](StdError::source) has the parts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A server could not accept. It goes on accepting.
    Accept(io::Error),
    /// A connection of a server broke: its client went away, spoke something else, or was too slow.
    Connection {
        /// Of the client.
        peer: SocketAddr,
        /// What hyper says.
        source: hyper::Error,
    },
    /// A connection of a server failed before it was known which protocol its client speaks.
    Beginning {
        /// Of the client.
        peer: SocketAddr,
        /// `TimedOut` if the client sent nothing for too long; what broke in a handshake of TLS.
        source: io::Error,
    },
    /// A task of a server panicked; only its connection is gone.
    Panicked,
    /// A client was asked for something that has no host, or a scheme other than `http`; or for
    /// `https`, and it has no TLS.
    Uri(Uri),
    /// A client could not connect.
    Connect {
        /// Host and port.
        authority: String,
        /// What the system says.
        source: io::Error,
    },
    /// A request failed.
    Request {
        /// Host and port.
        authority: String,
        /// What hyper says.
        source: hyper::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(error) => write!(f, "accepting a connection: {error}"),
            Self::Connection { peer, source } => {
                write!(f, "the connection of {peer}: {}", Story(source))
            }
            Self::Beginning { peer, source } => write!(f, "the connection of {peer}: {source}"),
            Self::Panicked => f.write_str("the task of a connection panicked"),
            Self::Uri(uri) => write!(
                f,
                "`{uri}` is nothing that can be requested: it takes `http://`, a host and a path, and for \
                 `https://` a client with TLS"
            ),
            Self::Connect { authority, source } => write!(f, "connecting to {authority}: {source}"),
            Self::Request { authority, source } => {
                write!(f, "a request to {authority}: {}", Story(source))
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Accept(source)
            | Self::Beginning { source, .. }
            | Self::Connect { source, .. } => Some(source),
            Self::Connection { source, .. } | Self::Request { source, .. } => Some(source),
            Self::Panicked | Self::Uri(_) => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Accept(source)
            | Error::Beginning { source, .. }
            | Error::Connect { source, .. } => source.kind(),
            Error::Uri(_) => io::ErrorKind::InvalidInput,
            Error::Connection { source, .. } | Error::Request { source, .. } => kind_of(source),
            Error::Panicked => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// The kind of the `io::Error` that an error of hyper came from.
fn kind_of(error: &hyper::Error) -> io::ErrorKind {
    if error.is_timeout() {
        return io::ErrorKind::TimedOut;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind();
        }
        cause = error.source();
    }
    io::ErrorKind::Other
}

/// An error with its causes, one behind the other, none twice.
struct Story<'a>(&'a hyper::Error);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}
