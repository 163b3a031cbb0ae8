//! Where a server listens: on loopback, over TCP or UDP, or at a path.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A UDP port.
    Udp(SocketAddr),
    /// The path of a Unix stream socket.
    Unix(PathBuf),
}

/// What a path begins with, as text.
const UNIX: &str = "unix:";
/// What a UDP address begins with, as text.
const UDP: &str = "udp:";

impl Address {
    /// The TCP address.
    ///
    /// # Errors
    /// `Unsupported` if it is another one.
    pub fn tcp(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(address) => Ok(*address),
            Self::Udp(_) | Self::Unix(_) => {
                let message = format!("{self} is not a TCP address");
                Err(io::Error::new(io::ErrorKind::Unsupported, message))
            }
        }
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Udp(address) => write!(f, "{UDP}{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text.strip_prefix(UNIX), text.strip_prefix(UDP)) {
            (Some(path), _) => Ok(Self::Unix(path.into())),
            (None, Some(address)) => address.parse().map(Self::Udp),
            (None, None) => text.parse().map(Self::Tcp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_way_through_text() {
        for text in ["127.0.0.1:80", "udp:127.0.0.1:80", "unix:/tmp/a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        "localhost".parse::<Address>().unwrap_err();
        assert!("unix:/tmp/a".parse::<Address>().unwrap().tcp().is_err());
    }
}
