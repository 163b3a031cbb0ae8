//! A listening Unix socket whose connections keep packets apart.
//!
//! Owns: nothing beyond its descriptor and the file of its name, as a
//! [`UnixListener`](super::UnixListener), of which it differs in the type of its socket. Mirrors
//! unix(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use annulus_ring::SocketAddress;

use super::foreign;
use super::options::rows::of_any;
use super::unix_listener::{Bound, UnixListenOptions};
use super::{Accept, Incoming, UnixSeqpacket};
use crate::buf::BufError;
use crate::core::Owned;

/// A Unix socket that accepts connections that keep packets apart (`SOCK_SEQPACKET`).
///
/// What [`UnixListener`](super::UnixListener) says of names, files and options holds here, too.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::{UnixListenOptions, UnixSeqpacket, UnixSeqpacketListener};
///
/// let path = std::env::temp_dir().join(format!("annulus-packets-{}.sock", std::process::id()));
/// let options = UnixListenOptions::new().replace_leftover(true).unlink(true);
/// let listener = UnixSeqpacketListener::bind_with(&path, options)?;
/// let client = UnixSeqpacket::connect(&path).await?;
/// let (server, _peer) = listener.accept().await?;
/// client.send("one").await?;
/// client.send("two").await?;
/// assert_eq!(&*server.recv().await?.expect("a packet"), b"one");
/// assert_eq!(&*server.recv().await?.expect("a packet"), b"two");
/// assert_eq!(server.peer_cred()?.pid(), Some(std::process::id() as i32));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixSeqpacketListener {
    bound: Bound,
}

impl UnixSeqpacketListener {
    /// Binds to a path and listens, with the default [`UnixListenOptions`].
    ///
    /// # Errors
    /// As [`UnixListener::bind`](super::UnixListener::bind).
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
        Ok(Self { bound: Bound::to_path(libc::SOCK_SEQPACKET, path.as_ref(), options)? })
    }

    /// Binds to an address of `std` and listens: to a name in the abstract namespace, for instance.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let address = SocketAddress::try_from(address)?;
        Ok(Self { bound: Bound::at(libc::SOCK_SEQPACKET, &address, UnixListenOptions::new())? })
    }

    /// Waits for the next connection. Gives it with the address of its peer, which rarely has a
    /// name: [`UnixSeqpacket::peer_cred`] says more.
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
    /// # use annulus::net::{UnixSeqpacketListener, UnixSeqpacket};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// # let listener = UnixSeqpacketListener::bind(&path)?;
    /// let client = UnixSeqpacket::connect(&path).await?;
    /// let (socket, _peer) = listener.accept().await?;
    /// # drop((client, socket));
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept(&self) -> Accept<'_, UnixSeqpacket> {
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
    /// # use annulus::net::{UnixSeqpacketListener, UnixSeqpacket};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// # let listener = UnixSeqpacketListener::bind(&path)?;
    /// use futures_util::StreamExt as _;
    ///
    /// let _client = UnixSeqpacket::connect(&path).await?;
    /// let mut incoming = listener.incoming().take(1);
    /// while let Some(connection) = incoming.next().await {
    ///     let (socket, _peer) = connection?;
    ///     socket.send("welcome").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_, UnixSeqpacket> {
        Incoming::new(&self.bound.owned)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of getsockname(2); use on a foreign core.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.bound.local_addr()
    }

    /// The descriptor, in blocking mode: `std` has no type for it.
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
    /// # use annulus::net::{UnixSeqpacketListener, UnixSeqpacket};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("socket");
    /// # let listener = UnixSeqpacketListener::bind(&path)?;
    /// let fd: std::os::fd::OwnedFd = listener.into_fd().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_fd(self) -> Result<OwnedFd, BufError<Self>> {
        let detached = self.bound.detach().await;
        let fd = detached.map_err(|error| error.map_buf(|bound| Self { bound }))?;
        // The mode is that of the open file, whatever type sets it.
        let file = std::os::unix::net::UnixListener::from(fd);
        file.set_nonblocking(false).map_err(BufError::without_buf)?;
        Ok(file.into())
    }

    fn owned(&self) -> &Owned {
        &self.bound.owned
    }
}

of_any!(UnixSeqpacketListener);

/// Fails with `InvalidInput`, and closes the descriptor, if that is no listening Unix socket of
/// packets; ENOTSOCK if it is no socket at all.
impl TryFrom<OwnedFd> for UnixSeqpacketListener {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        // What it accepts are sockets of packets then, without a further look.
        foreign::check(&fd, &foreign::UNIX_SEQPACKET_LISTENER)?;
        Ok(Self { bound: Bound::adopt(fd)? })
    }
}

impl AsFd for UnixSeqpacketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.owned.as_fd()
    }
}

impl AsRawFd for UnixSeqpacketListener {
    fn as_raw_fd(&self) -> RawFd {
        self.bound.owned.raw_fd()
    }
}
