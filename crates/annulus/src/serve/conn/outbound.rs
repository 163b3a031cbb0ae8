//! Connections that are made from here.
//!
//! Owns: making them. They are handles like the accepted ones, and count for no limit.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::super::registry::ConnId;
use super::super::transport::{Carrier, Layered, Plain, Transport};
use super::{Beginning, Conn, Inner, Name, Peer};
use crate::net::{TcpStream, ToAddress, UnixStream};
use crate::op::OpExt as _;

/// Of what is not in the registry of a core.
const NAMELESS: ConnId = ConnId::NAMELESS;

impl Conn {
    /// Connects to an address, or to a host by its name: the same handle as of a connection that
    /// was accepted, outside of the limits of the server, if there is one.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    ///
    /// # Cancel safety
    /// As [`TcpStream::connect`].
    ///
    /// # Kernel
    /// As [`TcpStream::connect`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// let conn = annulus::serve::Conn::connect(address).await?;
    /// conn.send("ping").await?;
    /// # drop(listener);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ConnectFuture")]
    pub async fn connect(address: impl ToAddress) -> io::Result<Self> {
        Self::of_tcp(TcpStream::connect(address).await?)
    }

    /// Connects within so much time.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut` if the time was over first.
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    ///
    /// # Kernel
    /// As [`TcpStream::connect_timeout`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// use annulus::serve::Conn;
    /// use std::time::Duration;
    ///
    /// let conn = Conn::connect_timeout(address, Duration::from_secs(5)).await?;
    /// # drop(listener);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "connect_with_timeout")]
    pub async fn connect_timeout(address: impl ToAddress, bound: Duration) -> io::Result<Self> {
        Self::of_tcp(TcpStream::connect(address).timeout(bound).await?)
    }

    /// Connects to the Unix socket at a path.
    ///
    /// # Errors
    /// As [`UnixStream::connect`].
    ///
    /// # Cancel safety
    /// As [`UnixStream::connect`].
    ///
    /// # Kernel
    /// As [`UnixStream::connect`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # use annulus::net::UnixListener;
    /// let path = dir.path().join("socket");
    /// # let listener = UnixListener::bind(&path)?;
    /// let conn = annulus::serve::Conn::connect_unix(&path).await?;
    /// # drop(listener);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::of_unix(UnixStream::connect(path).await?)
    }

    /// The handle of a connection that exists already.
    ///
    /// # Errors
    /// If it has no peer any more.
    pub fn of_tcp(stream: TcpStream) -> io::Result<Self> {
        let peer = Peer::Ip(stream.peer_addr()?);
        Ok(Self::outside(Carrier::Plain(Plain::Tcp(stream)), peer))
    }

    /// As [`of_tcp`](Self::of_tcp), of a Unix socket.
    ///
    /// # Errors
    /// As there.
    pub fn of_unix(stream: UnixStream) -> io::Result<Self> {
        let peer = Peer::Unix(stream.peer_addr()?);
        Ok(Self::outside(Carrier::Plain(Plain::Unix(stream)), peer))
    }

    /// As [`of_tcp`](Self::of_tcp), of a connection with a layer: a client's, for instance.
    ///
    /// # Errors
    /// As there.
    pub fn of_transport(transport: Box<dyn Transport>) -> io::Result<Self> {
        let peer = Peer::Ip(transport.tcp().peer_addr()?);
        Ok(Self::outside(Carrier::Layered(Layered::new(transport)), peer))
    }

    fn outside(carrier: Carrier, peer: Peer) -> Self {
        let beginning = Beginning { carrier, peer, listener: None };
        let name = Name { id: NAMELESS, permit: None };
        Self { inner: std::sync::Arc::new(Inner::new(beginning, [None; 3], name)) }
    }
}
