//! A socket address in the kernel's form.
//!
//! Owns: [`SocketAddress`] and its conversions from and to `std`. Does not own: name resolution.
//!
//! Invariants: `len` bytes of the storage are the address, `len` never exceeds the storage, and the
//! rest is zero unless the kernel wrote it. Mirrors ip(7), ipv6(7), unix(7), sockaddr(3type).

use core::mem::{offset_of, size_of};
use std::{
    ffi::OsStr,
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::{linux::net::SocketAddrExt, unix::ffi::OsStrExt, unix::net as unix},
    path::Path,
};

/// An address of any family: what bind, connect, accept and the name calls take and give.
///
/// ```
/// use annulus_ring::SocketAddress;
/// let address = SocketAddress::from("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
/// assert_eq!(address.ip().unwrap().port(), 80);
/// ```
#[derive(Clone, Copy)]
pub struct SocketAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

/// The room there is for an address.
const CAPACITY: usize = size_of::<libc::sockaddr_storage>();
/// Where the path of a Unix address starts.
const PATH_AT: usize = offset_of!(libc::sockaddr_un, sun_path);
/// How long it can be.
const PATH_BYTES: usize = size_of::<libc::sockaddr_un>() - PATH_AT;

impl SocketAddress {
    /// Zeroed room for the kernel to write an address into; `len` says how much there is.
    #[must_use]
    pub const fn empty() -> Self {
        // SAFETY: a `sockaddr_storage` is plain integers, for which zero is a value.
        let storage = unsafe { core::mem::zeroed() };
        Self { storage, len: CAPACITY as libc::socklen_t }
    }

    /// The Unix address that is a path.
    ///
    /// # Errors
    /// `InvalidInput` if the path is empty, longer than 107 bytes, or holds a zero byte.
    pub fn unix(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        if path.is_empty() || path.len() >= PATH_BYTES || path.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a Unix socket path has 1 to 107 bytes, none of them zero",
            ));
        }
        // The terminating zero is counted, as unix(7) advises.
        Ok(Self::from_unix_bytes(path, path.len() + 1))
    }

    /// The Unix address in the abstract namespace.
    ///
    /// # Errors
    /// `InvalidInput` if the name is longer than 107 bytes.
    pub fn unix_abstract(name: &[u8]) -> io::Result<Self> {
        if name.len() >= PATH_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an abstract Unix socket name has at most 107 bytes",
            ));
        }
        let mut bytes = [0; PATH_BYTES];
        bytes[1..=name.len()].copy_from_slice(name);
        Ok(Self::from_unix_bytes(&bytes[..=name.len()], name.len() + 1))
    }

    /// The Unix address without a name; binding to it picks an abstract one.
    #[must_use]
    pub fn unix_unnamed() -> Self {
        Self::from_unix_bytes(&[], 0)
    }

    /// The family: `AF_INET`, `AF_INET6`, `AF_UNIX`, …
    #[must_use]
    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    /// The address as the kernel reads it, [`len`](Self::len) bytes long.
    #[must_use]
    pub const fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// Its length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "the length of a sockaddr, not of a collection")]
    pub const fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// Where the kernel may write an address and its length.
    ///
    /// The length is in and out: set it to what there is room for with [`empty`](Self::empty).
    pub const fn as_mut(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }

    /// The address as IP and port, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self.family() {
            libc::AF_INET if self.len as usize >= size_of::<libc::sockaddr_in>() => {
                // SAFETY: the storage is larger than a `sockaddr_in` and aligned for every address.
                let v4 = unsafe { self.as_ptr().cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 if self.len as usize >= size_of::<libc::sockaddr_in6>() => {
                // SAFETY: the storage is larger than a `sockaddr_in6` and aligned for every
                // address.
                let v6 = unsafe { self.as_ptr().cast::<libc::sockaddr_in6>().read() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// The path of a Unix address that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        let bytes = self.unix_bytes()?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        if end == 0 {
            return None;
        }
        Some(Path::new(OsStr::from_bytes(&bytes[..end])))
    }

    /// The name of a Unix address in the abstract namespace.
    #[must_use]
    pub fn abstract_name(&self) -> Option<&[u8]> {
        match self.unix_bytes()? {
            [0, name @ ..] => Some(name),
            _ => None,
        }
    }

    /// Whether it is a Unix address without a name.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.unix_bytes().is_some_and(<[u8]>::is_empty)
    }

    /// The bytes after the family of a Unix address.
    fn unix_bytes(&self) -> Option<&[u8]> {
        if self.family() != libc::AF_UNIX {
            return None;
        }
        let len = (self.len as usize).min(size_of::<libc::sockaddr_un>());
        self.bytes().get(PATH_AT..len.max(PATH_AT))
    }

    fn bytes(&self) -> &[u8] {
        let start = self.as_ptr().cast::<u8>();
        let len = (self.len as usize).min(CAPACITY);
        // SAFETY: the storage is plain integers, initialised in full, and at least `len` bytes
        // long.
        unsafe { core::slice::from_raw_parts(start, len) }
    }

    fn from_unix_bytes(bytes: &[u8], counted: usize) -> Self {
        let mut address = Self::empty();
        address.storage.ss_family = libc::AF_UNIX as libc::sa_family_t;
        debug_assert!(bytes.len() <= PATH_BYTES && counted <= PATH_BYTES);
        // SAFETY: the path starts within the storage.
        let path = unsafe { (&raw mut address.storage).cast::<u8>().add(PATH_AT) };
        // SAFETY: the storage has room for a whole `sockaddr_un`, and cannot overlap the borrowed
        // bytes.
        unsafe { path.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        address.len = (PATH_AT + counted) as libc::socklen_t;
        address
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        let mut result = Self::empty();
        match address {
            SocketAddr::V4(v4) => {
                let value = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                    sin_zero: [0; 8],
                };
                // SAFETY: the storage is larger than a `sockaddr_in` and aligned for every address.
                unsafe { (&raw mut result.storage).cast::<libc::sockaddr_in>().write(value) };
                result.len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(v6) => {
                let value = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                };
                // SAFETY: the storage is larger than a `sockaddr_in6` and aligned for every
                // address.
                unsafe { (&raw mut result.storage).cast::<libc::sockaddr_in6>().write(value) };
                result.len = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        result
    }
}

impl TryFrom<&unix::SocketAddr> for SocketAddress {
    type Error = io::Error;
    fn try_from(address: &unix::SocketAddr) -> io::Result<Self> {
        if let Some(path) = address.as_pathname() {
            return Self::unix(path);
        }
        match address.as_abstract_name() {
            Some(name) => Self::unix_abstract(name),
            None => Ok(Self::unix_unnamed()),
        }
    }
}

impl TryFrom<&SocketAddress> for SocketAddr {
    type Error = io::Error;
    fn try_from(address: &SocketAddress) -> io::Result<Self> {
        address.ip().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP address"))
    }
}

impl TryFrom<SocketAddress> for SocketAddr {
    type Error = io::Error;
    fn try_from(address: SocketAddress) -> io::Result<Self> {
        Self::try_from(&address)
    }
}

impl TryFrom<&SocketAddress> for unix::SocketAddr {
    type Error = io::Error;
    fn try_from(address: &SocketAddress) -> io::Result<Self> {
        if let Some(path) = address.path() {
            return Self::from_pathname(path);
        }
        match address.abstract_name() {
            Some(name) => Self::from_abstract_name(name),
            None if address.is_unnamed() => Self::from_pathname(""),
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a Unix address")),
        }
    }
}

impl PartialEq for SocketAddress {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for SocketAddress {}

impl fmt::Debug for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ip) = self.ip() {
            return ip.fmt(f);
        }
        if let Some(path) = self.path() {
            return path.display().fmt(f);
        }
        match self.abstract_name() {
            Some(name) => write!(f, "@{}", name.escape_ascii()),
            None if self.is_unnamed() => f.write_str("(unnamed)"),
            None => write!(f, "(address family {})", self.family()),
        }
    }
}

#[cfg(test)]
mod tests;
