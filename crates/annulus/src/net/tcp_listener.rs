//! A listening TCP socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use annulus_ring::{Kernel as _, SocketAddress};

use super::{Accept, Incoming, ToAddress, options};
use crate::buf::BufError;
use crate::core::listener::Listener;
use crate::core::record::Kind;
use crate::core::{Owned, with_any};

/// A TCP socket that accepts connections.
///
/// One request of the kernel accepts again and again (multishot); accepted connections wait in a
/// queue of the core until somebody takes them.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (stream, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    owned: Owned,
}

/// How a listener is set up.
///
/// ```
/// use annulus::net::ListenOptions;
///
/// let options = ListenOptions::new().backlog(4096).reuse_port(true);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ListenOptions {
    backlog: i32,
    reuse_address: bool,
    reuse_port: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ListenOptions {
    /// The defaults: a backlog of 1024, `SO_REUSEADDR`, no `SO_REUSEPORT`.
    pub fn new() -> Self {
        Self { backlog: 1024, reuse_address: true, reuse_port: false }
    }

    /// Connections that may wait in the kernel to be accepted; bounded by `net.core.somaxconn`.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// Whether the address may be taken although old connections of it linger (`SO_REUSEADDR`).
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several listeners, one a core, may share the address (`SO_REUSEPORT`).
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }
}

impl TcpListener {
    /// Binds and listens with the default [`ListenOptions`]. Port 0 lets the kernel choose.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`; `InvalidInput` for text that is no
    /// address; an error that says so if no runtime runs on this thread.
    ///
    /// # Kernel
    /// socket(2), bind(2), listen(2): system calls, because they do not block.
    pub fn bind(address: impl ToAddress) -> io::Result<Self> {
        Self::bind_with(address, ListenOptions::new())
    }

    /// Binds and listens.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(address: impl ToAddress, options: ListenOptions) -> io::Result<Self> {
        let address = SocketAddress::from(address.to_address()?);
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = with_any(|core| {
            core.state.borrow_mut().ring.kernel().socket(address.family(), kind, 0)
        })??;
        // From here on the record closes the descriptor if something fails.
        let owned = Owned::adopt(fd, Kind::Listener(Listener::new()))?;
        let (level, yes) = (libc::SOL_SOCKET, 1);
        if options.reuse_address {
            options::set(&owned, level, libc::SO_REUSEADDR, yes)?;
        }
        if options.reuse_port {
            options::set(&owned, level, libc::SO_REUSEPORT, yes)?;
        }
        owned.with(|state, _| state.ring.kernel().bind(fd, &address))??;
        owned.with(|state, _| state.ring.kernel().listen(fd, options.backlog))??;
        Ok(Self { owned })
    }

    /// Takes over a listener of `std`.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { owned: Owned::adopt_fd(listener.into(), Kind::Listener(Listener::new()))? })
    }

    /// The listener as `std` has it, in blocking mode, once no request of the kernel accepts any
    /// more.
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
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// let std: std::net::TcpListener = listener.into_std().await?;
    /// assert_eq!(std.local_addr()?, address);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> Result<std::net::TcpListener, BufError<Self>> {
        let listener = std::net::TcpListener::from(self.into_fd().await?);
        listener.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(listener)
    }

    /// As [`into_std`](Self::into_std), in the mode that it has: others may share the open file.
    pub(crate) async fn into_fd(self) -> Result<OwnedFd, BufError<Self>> {
        let detached = super::accept::detach(self.owned).await;
        detached.map_err(|error| error.map_buf(|owned| Self { owned }))
    }

    /// Waits for the next connection. Gives it with the address of its peer.
    ///
    /// A connection that its peer reset before it was taken is left out.
    ///
    /// # Errors
    /// Those of accept(2). When the process or the system has no descriptors left (EMFILE, ENFILE),
    /// the error is reported once, the listener rests for some milliseconds, and connections stay
    /// in the kernel's backlog: calling again is right.
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
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// let client = TcpStream::connect(address).await?;
    /// let (stream, peer) = listener.accept().await?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept(&self) -> Accept<'_> {
        Accept::new(&self.owned)
    }

    /// The connections one after the other, as a stream without end.
    ///
    /// # Errors
    /// Items are what [`accept`](Self::accept) gives; an error does not end the stream.
    ///
    /// # Cancel safety
    /// Dropping the stream, or the future of its next item, loses no connection; after the latter
    /// the stream keeps its place in the queue until it is polled or dropped.
    ///
    /// # Kernel
    /// As [`accept`](Self::accept): one request for any number of items, armed again when the
    /// kernel ends it.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::{TcpListener, TcpStream};
    /// use futures_util::StreamExt as _;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let _clients = [TcpStream::connect(address).await?, TcpStream::connect(address).await?];
    /// let mut incoming = listener.incoming().take(2);
    /// while let Some(connection) = incoming.next().await {
    ///     let (stream, _peer) = connection?;
    ///     stream.write_all("welcome").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming::new(&self.owned)
    }

    /// Connections that are taken from now on receive into buffers of this pool; see
    /// [`TcpStream::set_receive_pool`](super::TcpStream::set_receive_pool).
    ///
    /// # Errors
    /// `InvalidInput` if there is no such pool; use on a foreign core.
    ///
    /// ```
    /// # use annulus::net::{TcpListener, TcpStream};
    /// use annulus::runtime::Runtime;
    ///
    /// // Pool 1: at most 64 buffers of 64 KiB, for those who send large messages.
    /// let runtime = Runtime::builder().receive_pool(64 * 1024, 64).build()?;
    /// runtime.block_on(async {
    ///     let uploads = TcpListener::bind("127.0.0.1:0")?;
    ///     uploads.set_receive_pool(1)?;
    /// #   let client = TcpStream::connect(uploads.local_addr()?).await?;
    /// #   client.write_all("hello").await?;
    ///     let (stream, _peer) = uploads.accept().await?;
    ///     let lease = stream.recv().await?;
    /// #   assert_eq!(&*lease.expect("five bytes"), b"hello");
    /// #   std::io::Result::Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_receive_pool(&self, pool: usize) -> io::Result<()> {
        self.owned.with(|state, key| state.set_group_of_accepted(key, pool))?
    }

    /// The address it listens on, with the real port if 0 was asked for.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let fd = self.owned.raw_fd();
        let address = self.owned.with(|state, _| state.ring.kernel().local_address(fd))??;
        super::stream::ip_address(&address)
    }
}

impl TcpListener {
    pub(super) fn owned(&self) -> &Owned {
        &self.owned
    }

    pub(super) fn from_owned(owned: Owned) -> Self {
        Self { owned }
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.owned.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.owned.raw_fd()
    }
}
