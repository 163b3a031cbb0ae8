//! Sockets that come from elsewhere.
//!
//! Owns: what a descriptor must be to become one of the handles. Does not own: what `std`'s types
//! become, which their `from_std` says.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use annulus_ring::Kernel as _;

use super::{TcpListener, TcpStream, UnixListener, UnixStream};
use crate::core::with_any;

/// What a handle takes.
struct Wanted {
    name: &'static str,
    domains: &'static [i32],
    listens: bool,
}

/// Whether the descriptor is what is wanted.
fn check(fd: RawFd, wanted: &Wanted) -> io::Result<()> {
    let [domain, kind, listens] = with_any(|core| {
        let mut state = core.state.borrow_mut();
        let mut ask = |name| {
            let mut value = [0; 4];
            let asked = state.ring.kernel().option(fd, libc::SOL_SOCKET, name, &mut value);
            asked.map(|_| i32::from_ne_bytes(value)).map_err(io::Error::from)
        };
        let (domain, kind) = (ask(libc::SO_DOMAIN)?, ask(libc::SO_TYPE)?);
        io::Result::Ok([domain, kind, ask(libc::SO_ACCEPTCONN)?])
    })??;
    let fits = wanted.domains.contains(&domain) && kind == libc::SOCK_STREAM;
    if fits && (listens != 0) == wanted.listens {
        return Ok(());
    }
    let does = if listens != 0 { "listens" } else { "does not listen" };
    let text = format!(
        "descriptor {fd} is no {}: its domain is {domain}, its type {kind}, and it {does}",
        wanted.name
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

const INTERNET: &[i32] = &[libc::AF_INET, libc::AF_INET6];
const UNIX: &[i32] = &[libc::AF_UNIX];

macro_rules! foreign {
    ($($handle:ident, $std:ty, $domains:ident, $listens:literal;)*) => {$(
        /// As `from_std`.
        impl TryFrom<$std> for $handle {
            type Error = io::Error;

            fn try_from(socket: $std) -> io::Result<Self> {
                Self::from_std(socket)
            }
        }

        /// Fails with `InvalidInput`, and closes the descriptor, if that is no such socket;
        /// ENOTSOCK if it is none at all.
        impl TryFrom<OwnedFd> for $handle {
            type Error = io::Error;

            fn try_from(fd: OwnedFd) -> io::Result<Self> {
                let name = stringify!($handle);
                let wanted = Wanted { name, domains: $domains, listens: $listens };
                check(fd.as_raw_fd(), &wanted)?;
                Self::from_std(fd.into())
            }
        }
    )*};
}

foreign! {
    TcpStream, std::net::TcpStream, INTERNET, false;
    TcpListener, std::net::TcpListener, INTERNET, true;
    UnixStream, std::os::unix::net::UnixStream, UNIX, false;
    UnixListener, std::os::unix::net::UnixListener, UNIX, true;
}
