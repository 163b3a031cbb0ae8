//! What may stand for an address.
//!
//! Owns: [`ToAddress`] and what it is asked for. Does not own: resolving (`names`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address, several, text that is one, or a host's name with a port.
///
/// | | to bind | to connect |
/// |---|---|---|
/// | `SocketAddr`, `(IpAddr, u16)`, `([127, 0, 0, 1], 80)`, `"127.0.0.1:80"`, `"[::1]:80"` | yes | yes |
/// | `[SocketAddr]` | if there is one | one after the other |
/// | `"localhost:80"`, `("localhost", 80)` | no | resolved, then as above |
pub trait ToAddress {
    /// Where that is.
    ///
    /// # Errors
    /// `InvalidInput` if it is none of these.
    fn to_destination(&self) -> io::Result<Destination>;

    /// The one address, for who cannot wait for a resolver.
    ///
    /// # Errors
    /// `InvalidInput` if it is a name, or not one address.
    fn to_address(&self) -> io::Result<SocketAddr> {
        let several = match self.to_destination()? {
            Destination::Address(address) => return Ok(address),
            Destination::Addresses(addresses) => {
                if let [address] = addresses[..] {
                    return Ok(address);
                }
                format!("{} addresses, where one is wanted", addresses.len())
            }
            Destination::Name { host, port } => format!(
                "{host}:{port} is a host's name, and asking the resolver takes time: await \
                 annulus::net::lookup_host first"
            ),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, several))
    }
}

/// Where to connect to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Destination {
    /// An address.
    Address(SocketAddr),
    /// Several, the best first.
    Addresses(Vec<SocketAddr>),
    /// A name that a resolver knows.
    Name {
        /// The host's name.
        host: String,
        /// The port.
        port: u16,
    },
}

impl ToAddress for SocketAddr {
    fn to_destination(&self) -> io::Result<Destination> {
        Ok(Destination::Address(*self))
    }
}

macro_rules! pairs {
    ($($ip:ty),*) => {$(
        impl ToAddress for ($ip, u16) {
            fn to_destination(&self) -> io::Result<Destination> {
                Ok(Destination::Address(SocketAddr::new(IpAddr::from(self.0), self.1)))
            }
        }
    )*};
}

pairs!(IpAddr, Ipv4Addr, Ipv6Addr, [u8; 4], [u8; 16], [u16; 8]);

impl ToAddress for [SocketAddr] {
    fn to_destination(&self) -> io::Result<Destination> {
        Ok(match self {
            [address] => Destination::Address(*address),
            addresses => Destination::Addresses(addresses.to_vec()),
        })
    }
}

impl<const N: usize> ToAddress for [SocketAddr; N] {
    fn to_destination(&self) -> io::Result<Destination> {
        self[..].to_destination()
    }
}

impl ToAddress for Vec<SocketAddr> {
    fn to_destination(&self) -> io::Result<Destination> {
        self[..].to_destination()
    }
}

impl ToAddress for (&str, u16) {
    fn to_destination(&self) -> io::Result<Destination> {
        let (host, port) = *self;
        if let Ok(ip) = host.parse() {
            return Ok(Destination::Address(SocketAddr::new(ip, port)));
        }
        if !is_name(host) {
            let error = format!("{host:?} is neither an IP address nor a host's name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        Ok(Destination::Name { host: host.to_owned(), port })
    }
}

impl ToAddress for (String, u16) {
    fn to_destination(&self) -> io::Result<Destination> {
        (self.0.as_str(), self.1).to_destination()
    }
}

impl ToAddress for str {
    fn to_destination(&self) -> io::Result<Destination> {
        if let Ok(address) = self.parse() {
            return Ok(Destination::Address(address));
        }
        let parts = self.rsplit_once(':').filter(|(host, _)| is_name(host));
        let name = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = name else {
            let error = format!(
                "{self:?} is neither a socket address such as 127.0.0.1:80 or [::1]:80 nor a name \
                 with a port such as localhost:80"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        };
        Ok(Destination::Name { host: host.to_owned(), port })
    }
}

impl ToAddress for String {
    fn to_destination(&self) -> io::Result<Destination> {
        self.as_str().to_destination()
    }
}

impl<T: ToAddress + ?Sized> ToAddress for &T {
    fn to_destination(&self) -> io::Result<Destination> {
        (**self).to_destination()
    }
}

/// The longest name that the system's resolver is asked for (`NI_MAXHOST`).
const NAME_BYTES_MAX: usize = 1025;

/// Whether a resolver may be asked for it. What looks like an address that is wrong is no name.
fn is_name(host: &str) -> bool {
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let odd = |byte: u8| byte <= b' ' || byte == 0x7f || b":[]/@".contains(&byte);
    !host.is_empty() && host.len() < NAME_BYTES_MAX && !numeric && !host.bytes().any(odd)
}

#[cfg(test)]
mod tests;
