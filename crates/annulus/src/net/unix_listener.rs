//! A listening Unix stream socket.
//!
//! Owns: the name that it listens on, and that it has a file. Does not own: when that is removed
//! (`socket_file`), accepting (`accept`, `core/listener`). Mirrors unix(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use annulus_ring::{Kernel as _, SocketAddress};

use super::options::rows::of_any;
use super::socket_file::{SocketFile, remove_leftover};
use super::{Accept, Incoming, UnixStream};
use crate::buf::BufError;
use crate::core::listener::Listener;
use crate::core::record::Kind;
use crate::core::{Owned, with_any};

/// A Unix socket that accepts connections.
///
/// Its name is a path, at which a file of the kind *socket* appears, or a name in the abstract
/// namespace, which goes away with the socket.
///
/// # The file
/// Nothing removes the file when the listener is closed, as the manual has it: connecting to what
/// is left is refused, and binding to it fails with `AddrInUse`.
/// [`UnixListenOptions::replace_leftover`] and [`UnixListenOptions::unlink`] are for that; neither
/// is on by default.
///
/// Who may connect is a matter of the file's mode (write permission) and of the directories above
/// it. The mode is what the process's umask leaves.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::{UnixListenOptions, UnixListener, UnixStream};
///
/// let path = std::env::temp_dir().join(format!("annulus-{}.sock", std::process::id()));
/// let options = UnixListenOptions::new().replace_leftover(true).unlink(true);
/// let listener = UnixListener::bind_with(&path, options)?;
/// let client = UnixStream::connect(&path).await?;
/// let (stream, _peer) = listener.accept().await?;
/// assert_eq!(stream.peer_cred()?.pid(), Some(std::process::id() as i32));
/// stream.write_all("hello").await?;
/// assert_eq!(&*client.recv().await?.expect("a word"), b"hello");
/// drop(listener);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixListener {
    bound: Bound,
}

/// A listening Unix socket of any type, with its name.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) owned: Owned,
    /// The file to remove.
    file: Option<SocketFile>,
}

/// How a Unix listener is set up.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct UnixListenOptions {
    backlog: i32,
    replace_leftover: bool,
    unlink: bool,
}

impl Default for UnixListenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl UnixListenOptions {
    /// The defaults: a backlog of 1024; files are left alone.
    pub fn new() -> Self {
        Self { backlog: 1024, replace_leftover: false, unlink: false }
    }

    /// Connections that may wait in the kernel to be accepted; bounded by `net.core.somaxconn`.
    ///
    /// When there are so many, who connects waits: [`UnixStream::connect`] does, and so does
    /// connect(2) of a blocking socket. A nonblocking one is told EAGAIN.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// Whether a socket's file that nobody has any more is removed before binding. Any other file
    /// stays, and binding fails with `AddrInUse`.
    ///
    /// Of two processes that do this at the same moment, one may remove the file that the other
    /// has just made: let one manager start them, or take a lock first.
    pub fn replace_leftover(mut self, replace: bool) -> Self {
        self.replace_leftover = replace;
        self
    }

    /// Whether the file is removed when the listener is dropped or given to `std`, if it is still
    /// the one that the listener made.
    pub fn unlink(mut self, unlink: bool) -> Self {
        self.unlink = unlink;
        self
    }
}

impl UnixListener {
    /// Binds to a path and listens, with the default [`UnixListenOptions`].
    ///
    /// # Errors
    /// `AddrInUse` if there is a file already; `NotFound` or `PermissionDenied` for the directory;
    /// `InvalidInput` for a path of more than 107 bytes; an error that says so if no runtime runs
    /// on this thread.
    ///
    /// # Kernel
    /// socket(2), bind(2), listen(2): system calls, because they do not wait.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_with(path, UnixListenOptions::new())
    }

    /// Binds to a path and listens.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(path: impl AsRef<Path>, options: UnixListenOptions) -> io::Result<Self> {
        Ok(Self { bound: Bound::to_path(libc::SOCK_STREAM, path.as_ref(), options)? })
    }

    /// Binds to an address of `std` and listens: to a name in the abstract namespace, for instance.
    /// An address without a name lets the kernel choose an abstract one.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
    /// use annulus::net::{UnixListener, UnixStream};
    ///
    /// let name = format!("annulus-doc-{}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// let client = UnixStream::connect_addr(&address).await?;
    /// let (_stream, _peer) = listener.accept().await?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), address.as_abstract_name());
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let address = SocketAddress::try_from(address)?;
        Ok(Self { bound: Bound::at(libc::SOCK_STREAM, &address, UnixListenOptions::new())? })
    }

    /// Takes over a listener of `std`.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Ok(Self { bound: Bound::adopt(listener.into())? })
    }

    /// The listener as `std` has it, in blocking mode.
    ///
    /// # Errors
    /// With the listener given back: if connections were accepted and nobody has taken them yet;
    /// use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future drops the listener.
    ///
    /// # Kernel
    /// `ASYNC_CANCEL` of the accept, 5.5; inline.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{UnixListener, UnixStream};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// # let listener = UnixListener::bind(&path)?;
    /// let std: std::os::unix::net::UnixListener = listener.into_std().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> Result<std::os::unix::net::UnixListener, BufError<Self>> {
        let listener = std::os::unix::net::UnixListener::from(self.into_fd().await?);
        listener.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(listener)
    }

    /// As [`into_std`](Self::into_std), in the mode that it has: others may share the open file.
    pub(crate) async fn into_fd(self) -> Result<OwnedFd, BufError<Self>> {
        let detached = self.bound.detach().await;
        detached.map_err(|error| error.map_buf(|bound| Self { bound }))
    }

    /// Waits for the next connection. Gives it with the address of its peer, which rarely has a
    /// name: [`UnixStream::peer_cred`] says more.
    ///
    /// # Errors
    /// As [`TcpListener::accept`](super::TcpListener::accept).
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection: it stays in the queue.
    ///
    /// # Kernel
    /// `ACCEPT` with `IORING_ACCEPT_MULTISHOT`, 5.19; polled. getpeername(2) for the address,
    /// because a multishot accept would overwrite it.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{UnixListener, UnixStream};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// # let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path).await?;
    /// let (stream, _peer) = listener.accept().await?;
    /// # drop((client, stream));
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept(&self) -> Accept<'_, UnixStream> {
        Accept::new(&self.bound.owned)
    }

    /// The connections one after the other, as a stream without end.
    ///
    /// # Errors
    /// Items are what [`accept`](Self::accept) gives; an error does not end the stream.
    ///
    /// # Cancel safety
    /// Dropping the stream loses no connection: those not taken stay in the queue.
    ///
    /// # Kernel
    /// As [`accept`](Self::accept): one request for any number of items, armed again when the
    /// kernel ends it.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{UnixListener, UnixStream};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// # let listener = UnixListener::bind(&path)?;
    /// use futures_util::StreamExt as _;
    ///
    /// let _client = UnixStream::connect(&path).await?;
    /// let mut incoming = listener.incoming().take(1);
    /// while let Some(connection) = incoming.next().await {
    ///     let (socket, _peer) = connection?;
    ///     socket.write_all("welcome").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_, UnixStream> {
        Incoming::new(&self.bound.owned)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.bound.local_addr()
    }

    pub(super) fn owned(&self) -> &Owned {
        &self.bound.owned
    }
}

impl Bound {
    /// Binds a socket of this type to a path, and listens.
    pub(super) fn to_path(kind: i32, path: &Path, options: UnixListenOptions) -> io::Result<Self> {
        let address = SocketAddress::unix(path)?;
        if options.replace_leftover {
            remove_leftover(path)?;
        }
        let mut bound = Self::at(kind, &address, options)?;
        if options.unlink {
            bound.file = Some(SocketFile::of(path)?);
        }
        Ok(bound)
    }

    /// Binds a socket of this type to an address, and listens.
    pub(super) fn at(
        kind: i32,
        address: &SocketAddress,
        options: UnixListenOptions,
    ) -> io::Result<Self> {
        let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd =
            with_any(|core| core.state.borrow_mut().ring.kernel().socket(libc::AF_UNIX, kind, 0))??;
        // From here on the record closes the descriptor if something fails.
        let owned = Owned::adopt(fd, Kind::Listener(Listener::new()))?;
        owned.with(|state, _| state.ring.kernel().bind(fd, address))??;
        owned.with(|state, _| state.ring.kernel().listen(fd, options.backlog))??;
        Ok(Self { owned, file: None })
    }

    /// Takes over the descriptor of a socket that listens.
    pub(super) fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let owned = Owned::adopt_fd(fd, Kind::Listener(Listener::new()))?;
        Ok(Self { owned, file: None })
    }

    /// Gives the descriptor, once no request of the kernel accepts any more; the file is removed if
    /// that was wished.
    pub(super) async fn detach(self) -> Result<OwnedFd, BufError<Self>> {
        let Self { owned, file } = self;
        let detached = super::accept::detach(owned).await;
        detached.map_err(|error| error.map_buf(|owned| Self { owned, file }))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        let fd = self.owned.raw_fd();
        let address = self.owned.with(|state, _| state.ring.kernel().local_address(fd))??;
        SocketAddr::try_from(&address)
    }
}

of_any!(UnixListener);

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.owned.as_fd()
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.bound.owned.raw_fd()
    }
}
