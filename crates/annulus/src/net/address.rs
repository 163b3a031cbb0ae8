//! What may stand for an address.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// An address, or text that is one.
///
/// Host names are not resolved here, because asking the resolver would block the core; text that is
/// a name is refused with an error that says so.
pub trait ToAddress {
    /// The address.
    ///
    /// # Errors
    /// `InvalidInput` if it is not one.
    fn to_address(&self) -> io::Result<SocketAddr>;
}

impl ToAddress for SocketAddr {
    fn to_address(&self) -> io::Result<SocketAddr> {
        Ok(*self)
    }
}

impl<I: Into<IpAddr> + Copy> ToAddress for (I, u16) {
    fn to_address(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::new(self.0.into(), self.1))
    }
}

impl ToAddress for str {
    fn to_address(&self) -> io::Result<SocketAddr> {
        self.parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{self:?} is no socket address such as 127.0.0.1:80 or [::1]:80; resolve a host \
                     name first, with std::net::ToSocketAddrs on another thread"
                ),
            )
        })
    }
}

impl ToAddress for String {
    fn to_address(&self) -> io::Result<SocketAddr> {
        self.as_str().to_address()
    }
}

impl<T: ToAddress + ?Sized> ToAddress for &T {
    fn to_address(&self) -> io::Result<SocketAddr> {
        (**self).to_address()
    }
}
