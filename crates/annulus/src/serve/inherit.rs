//! Listeners that others have made: a service manager, or the process that this one succeeds.
//!
//! Owns: finding out what they are, and which of them an address means. Does not own: how they are
//! dealt out (`listen`). Mirrors sd_listen_fds(3), systemd.socket(5).
//!
//! Invariant: a listener that is not used is closed only after an error, never silently.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};

use super::Error;
use super::handover::Predecessor;
use super::listen::{Bound, Socket};

/// Listening sockets to take over, given to [`Builder::inherit`](super::Builder::inherit).
///
/// ```no_run
/// use annulus::serve::{Config, Inherited, Server};
/// # use annulus::serve::{Conn, Handler};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn for_core(_core: usize) -> Self { Echo }
/// #     async fn on_accept(&self, conn: Conn) { drop(conn) }
/// # }
/// // By systemd with a socket unit; started by hand, it binds for itself.
/// let address = "0.0.0.0:7878".parse()?;
/// Server::builder(Config::new()).inherit(Inherited::from_env()?).bind(address).run::<Echo>()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<Named>,
    /// Who waits to hear that this process accepts.
    predecessor: Option<Predecessor>,
}

struct Named {
    name: String,
    at: Bound,
    socket: Socket,
}

impl Inherited {
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Those that a service manager has passed to this process: `LISTEN_PID`, `LISTEN_FDS` and
    /// `LISTEN_FDNAMES` say so. None if there are none, if they are for another process, or if they
    /// were taken before.
    ///
    /// # Errors
    /// [`Error::Inherited`] for a descriptor that is no listening socket of streams and no socket
    /// of datagrams, and for variables that make no sense.
    #[doc(alias = "sd_listen_fds")]
    #[doc(alias = "LISTEN_FDS")]
    pub fn from_env() -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let (pid, count) = (variable("LISTEN_PID"), variable("LISTEN_FDS"));
        if count.is_empty() || pid != std::process::id().to_string() {
            return Ok(Self::none());
        }
        let senseless = |text: &str| Error::Inherited {
            name: format!("LISTEN_FDS={count}"),
            source: io::Error::new(io::ErrorKind::InvalidInput, text.to_owned()),
        };
        let number: u16 = count.parse().map_err(|_| senseless("it is not a number"))?;
        let names = variable("LISTEN_FDNAMES");
        let fds = crate::core::inherited::take(number.into())
            .map_err(|error| senseless(&format!("not all of them are open: {error}")))?;
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let named = fds.into_iter().map(|fd| (names.next().unwrap_or("unknown").to_owned(), fd));
        Self::from_fds(named)
    }

    /// Sockets that came in some other way, each with a name for errors.
    ///
    /// # Errors
    /// [`Error::Inherited`] as [`from_env`](Self::from_env).
    pub fn from_fds(fds: impl IntoIterator<Item = (String, OwnedFd)>) -> Result<Self, Error> {
        let sockets = fds.into_iter().map(|(name, fd)| {
            let known = of_fd(fd);
            let (at, socket) =
                known.map_err(|source| Error::Inherited { name: name.clone(), source })?;
            Ok(Named { name, at, socket })
        });
        let sockets: Result<Vec<_>, Error> = sockets.collect();
        Ok(Self { sockets: sockets?, predecessor: None })
    }

    /// As [`from_fds`](Self::from_fds), from a process that waits to hear that this one accepts.
    pub(super) fn from_predecessor(
        fds: Vec<(String, OwnedFd)>,
        predecessor: Predecessor,
    ) -> Result<Self, Error> {
        let mut inherited = Self::from_fds(fds)?;
        inherited.predecessor = Some(predecessor);
        Ok(inherited)
    }

    /// How many sockets there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// The name of each, and where it listens.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bound)> {
        self.sockets.iter().map(|named| (named.name.as_str(), &named.at))
    }

    pub(super) fn append(&mut self, other: Self) {
        self.sockets.extend(other.sockets);
        self.predecessor = other.predecessor.or(self.predecessor.take());
    }

    /// Takes those that listen there, if any do.
    pub(super) fn take(&mut self, at: &Bound) -> Option<(Bound, Vec<Socket>)> {
        let (taken, left) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|named: &Named| named.at == *at);
        self.sockets = left;
        let taken: Vec<Named> = taken;
        let sockets: Vec<Socket> = taken.into_iter().map(|named| named.socket).collect();
        (!sockets.is_empty()).then(|| (at.clone(), sockets))
    }

    /// Takes all others, those of one address together.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = (Bound, Vec<Socket>)> + '_ {
        std::iter::from_fn(|| {
            let at = self.sockets.first()?.at.clone();
            self.take(&at)
        })
    }

    /// Tells the process that this one succeeds that it accepts.
    pub(super) fn confirm(self) -> Result<(), Error> {
        match self.predecessor {
            Some(predecessor) => predecessor.confirm(),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What a descriptor is, and where it listens.
fn of_fd(fd: OwnedFd) -> io::Result<(Bound, Socket)> {
    let (domain, kind) = (sockopt::socket_domain(&fd)?, sockopt::socket_type(&fd)?);
    let listens = sockopt::socket_acceptconn(&fd)?;
    let internet = domain == AddressFamily::INET || domain == AddressFamily::INET6;
    let address = || Ok::<_, io::Error>(SocketAddr::try_from(getsockname(&fd)?)?);
    match (internet, kind, listens) {
        (true, SocketType::STREAM, true) => Ok((Bound::Tcp(address()?), Socket::Tcp(fd.into()))),
        (true, SocketType::DGRAM, _) => Ok((Bound::Udp(address()?), Socket::Udp(fd.into()))),
        (false, SocketType::STREAM, true) if domain == AddressFamily::UNIX => {
            let listener = UnixListener::from(fd);
            let path = listener.local_addr()?.as_pathname().map(PathBuf::from);
            Ok((Bound::Unix(path.unwrap_or_default()), Socket::Unix(listener)))
        }
        _ => {
            let text = "it is neither a listening socket of streams nor one of datagrams";
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}
