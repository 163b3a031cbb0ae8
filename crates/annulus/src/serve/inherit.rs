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
use super::listen::{Bound, Socket};
use super::successor::Predecessor;
use crate::net::FileId;

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
///
/// Each socket must be asked for: by its address ([`Builder::bind`](super::Builder::bind) and the
/// like), or by its name ([`Builder::bind_inherited`](super::Builder::bind_inherited)). One that
/// nobody asks for is an error of the launch, because only the program knows what belongs above it:
/// served as it is, a listener that was meant for TLS would talk in the clear.
///
/// The file of a Unix socket stays the service manager's; one of a predecessor changes hands with
/// the socket, and is removed when this server ends.
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<Named>,
    /// Who waits to hear that this process accepts.
    predecessor: Option<Predecessor>,
}

/// A socket that was inherited.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) at: Bound,
    pub(super) socket: Socket,
    /// The file of its path, if that comes along.
    pub(super) file: Option<FileId>,
}

/// A socket as it comes: its name, itself, and its file if that comes along.
pub(super) type Passed = (String, OwnedFd, Option<FileId>);

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
        Self::of(fds.into_iter().map(|(name, fd)| (name, fd, None)))
    }

    fn of(passed: impl Iterator<Item = Passed>) -> Result<Self, Error> {
        let sockets = passed.map(|(name, fd, file)| match of_fd(fd) {
            Ok((at, socket)) => Ok(Named { name, at, socket, file }),
            Err(source) => Err(Error::Inherited { name, source }),
        });
        let sockets: Result<Vec<_>, Error> = sockets.collect();
        Ok(Self { sockets: sockets?, predecessor: None })
    }

    /// As [`from_fds`](Self::from_fds), from a process that waits to hear that this one accepts.
    pub(super) fn from_predecessor(
        passed: Vec<Passed>,
        predecessor: Predecessor,
    ) -> Result<Self, Error> {
        let mut inherited = Self::of(passed.into_iter())?;
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
    pub(super) fn take(&mut self, at: &Bound) -> Vec<Named> {
        self.take_if(|named| named.at == *at)
    }

    /// Takes those of a name, those of one address together.
    ///
    /// # Errors
    /// [`Error::Inherited`] if there is none, with the names that there are.
    pub(super) fn take_named(&mut self, name: &str) -> Result<Vec<Vec<Named>>, Error> {
        let mut left = self.take_if(|named| named.name == name);
        let mut taken = Vec::new();
        while let Some(first) = left.first() {
            let at = first.at.clone();
            let (these, others) = left.into_iter().partition(|named| named.at == at);
            taken.push(these);
            left = others;
        }
        if taken.is_empty() {
            let names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
            let text = format!("there is none of this name; there are: {}", names.join(", "));
            let source = io::Error::new(io::ErrorKind::NotFound, text);
            return Err(Error::Inherited { name: name.to_owned(), source });
        }
        Ok(taken)
    }

    fn take_if(&mut self, is_wanted: impl Fn(&Named) -> bool) -> Vec<Named> {
        let sockets = std::mem::take(&mut self.sockets);
        let (taken, left) = sockets.into_iter().partition(is_wanted);
        self.sockets = left;
        taken
    }

    /// Whether each was asked for.
    ///
    /// # Errors
    /// [`Error::Inherited`] for the first that was not: nobody has said what is to be served there,
    /// and whether with a layer.
    pub(super) fn all_taken(&self) -> Result<(), Error> {
        let Some(Named { name, at, .. }) = self.sockets.first() else { return Ok(()) };
        let text = format!(
            "nothing is to be served at {at}: `bind` that address, `bind_inherited({name:?})`, or do \
             not pass it on"
        );
        let source = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Error::Inherited { name: name.clone(), source })
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
