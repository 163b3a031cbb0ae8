//! The sockets of a server, made before any core runs.
//!
//! Owns: binding, sharing among cores, and what a successor would take over. Does not own:
//! accepting. It is done by system calls on the thread that launches, so that what is refused is an
//! error of the launch, and ports below 1024 are bound before rights are given up.
//!
//! Invariant: an address that another socket has is an error, also where `SO_REUSEPORT` would let
//! two servers of one user share it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport, set_tcp_nodelay};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

use super::Error;
use super::config::{Accept, Config};
use super::inherit::Named;
use super::transport::Layer;
use crate::net::{FileId, SocketFile, remove_leftover};

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Bound {
    /// For TCP connections.
    Tcp(SocketAddr),
    /// For connections by a path; empty for a socket without one.
    Unix(PathBuf),
    /// For datagrams.
    Udp(SocketAddr),
}

impl Bound {
    /// The Internet address, if it has one.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Udp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

/// Which listener a server is to have.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// One at this address: inherited if there is such a one, else made.
    At(Bound),
    /// What was inherited by this name.
    Named(String),
}

/// What a listener is to be.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) which: Which,
    pub(super) layer: Option<Arc<dyn Layer>>,
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wish").field(&self.which).finish()
    }
}

/// A socket for a core to adopt.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
    Udp(UdpSocket),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
            Self::Udp(socket) => Self::Udp(socket.try_clone()?),
        })
    }

    fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        Ok(match self.try_clone()? {
            Self::Tcp(socket) => socket.into(),
            Self::Unix(socket) => socket.into(),
            Self::Udp(socket) => socket.into(),
        })
    }
}

/// One listener of the server: one socket, or several on one address.
pub(super) struct Opened {
    pub(super) at: Bound,
    pub(super) sockets: Vec<Socket>,
    pub(super) layer: Option<Arc<dyn Layer>>,
    /// The name by which it was inherited, and by which a successor asks for it; else empty.
    name: String,
    file: Option<SocketFile>,
    /// The file that will be this server's, once its predecessor has heard that it accepts.
    claims: Option<FileId>,
}

impl Opened {
    /// # Errors
    /// [`Error::Inherited`] if there is a layer, and nothing that it could be above.
    pub(super) fn may_have_layer(self, name: &str) -> Result<Self, Error> {
        if self.layer.is_none() || matches!(self.at, Bound::Tcp(_)) {
            return Ok(self);
        }
        let text = format!("a layer is for TCP, and this is {}", self.at);
        let source = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Error::Inherited { name: name.to_owned(), source })
    }
}

/// What a successor would take over, and what goes when the server stops accepting.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) sockets: Vec<KeptSocket>,
    pub(super) files: Vec<SocketFile>,
}

/// A socket for a successor.
#[derive(Debug)]
pub(super) struct KeptSocket {
    pub(super) fd: OwnedFd,
    pub(super) name: String,
    /// The file that goes along.
    pub(super) file: Option<FileId>,
}

/// What is to be done with a file once the predecessor has let go of it.
pub(super) type Claim = (PathBuf, FileId);

/// A socket of one core.
pub(super) struct Seat {
    /// The number of the listener.
    pub(super) listener: usize,
    pub(super) socket: Socket,
    pub(super) layer: Option<Arc<dyn Layer>>,
}

fn refused(at: &Bound) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::Bind { at: at.clone(), source }
}

/// Makes the sockets of a listener: one for each of `cores` where the kernel is to choose among
/// them, else one for all.
pub(super) fn open(
    wished: &Bound,
    layer: Option<Arc<dyn Layer>>,
    config: &Config,
    cpus: &[usize],
) -> Result<Opened, Error> {
    let refused = refused(wished);
    let central = config.accept.is_central();
    let (mut at, mut file) = (wished.clone(), None);
    let sockets = match wished {
        Bound::Tcp(address) => {
            let count = if central { 1 } else { cpus.len() };
            let sockets = open_ip(*address, (SocketType::STREAM, count), |address, shared| {
                tcp(address, shared, config).map(Socket::Tcp)
            });
            let (address, sockets) = sockets.map_err(&refused)?;
            at = Bound::Tcp(address);
            if let (Accept::Steered, Some(Socket::Tcp(first)), 2..) =
                (config.accept, sockets.first(), count)
            {
                crate::core::steering::steer(first.as_fd(), cpus).map_err(&refused)?;
            }
            sockets
        }
        Bound::Udp(address) => {
            let sockets = open_ip(*address, (SocketType::DGRAM, cpus.len()), |address, shared| {
                udp(address, shared).map(Socket::Udp)
            });
            let (address, sockets) = sockets.map_err(&refused)?;
            at = Bound::Udp(address);
            sockets
        }
        Bound::Unix(path) => {
            let (socket, made) = unix(path, config).map_err(&refused)?;
            file = made;
            vec![Socket::Unix(socket)]
        }
    };
    Ok(Opened { at, sockets, layer, name: String::new(), file, claims: None })
}

/// Makes `count` sockets on one address, and gives it with the port that was chosen.
fn open_ip(
    mut address: SocketAddr,
    (kind, count): (SocketType, usize),
    make: impl Fn(SocketAddr, bool) -> io::Result<Socket>,
) -> io::Result<(SocketAddr, Vec<Socket>)> {
    let local = |socket: &Socket| match socket {
        Socket::Tcp(socket) => socket.local_addr(),
        Socket::Udp(socket) => socket.local_addr(),
        Socket::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    if count == 1 {
        let socket = make(address, false)?;
        return Ok((local(&socket)?, vec![socket]));
    }
    // Once without sharing: that tells whether somebody else has it, and chooses the port.
    address = claim(address, kind)?;
    let sockets: io::Result<Vec<_>> = (0..count).map(|_| make(address, true)).collect();
    Ok((address, sockets?))
}

fn family(address: SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 }
}

/// Makes sure that no other socket has the address; chooses the port if it is 0.
fn claim(address: SocketAddr, kind: SocketType) -> io::Result<SocketAddr> {
    let socket = socket_with(family(address), kind, SocketFlags::CLOEXEC, None)?;
    // Connections of a former listener do not matter; a listener that is there does.
    set_socket_reuseaddr(&socket, kind == SocketType::STREAM)?;
    bind(&socket, &address)?;
    let chosen = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
    Ok(chosen)
}

fn tcp(address: SocketAddr, shared: bool, config: &Config) -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family(address), SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if shared {
        set_socket_reuseport(&socket, true)?;
    }
    // Accepted connections inherit it, which saves a call for each.
    set_tcp_nodelay(&socket, config.nodelay)?;
    bind(&socket, &address)?;
    listen(&socket, backlog(config))?;
    Ok(socket.into())
}

fn udp(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family(address), SocketType::DGRAM, flags, None)?;
    if shared {
        set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket.into())
}

fn unix(path: &Path, config: &Config) -> io::Result<(UnixListener, Option<SocketFile>)> {
    if config.unlink {
        remove_leftover(path)?;
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    let file = if config.unlink { Some(SocketFile::of(path)?) } else { None };
    listen(&socket, backlog(config))?;
    Ok((socket.into(), file))
}

fn backlog(config: &Config) -> i32 {
    i32::try_from(config.backlog).unwrap_or(i32::MAX)
}

/// A listener that comes from elsewhere: sockets of one address.
pub(super) fn adopt(
    taken: Vec<Named>,
    layer: Option<Arc<dyn Layer>>,
    config: &Config,
) -> Option<Opened> {
    let first = taken.first()?;
    let (at, name) = (first.at.clone(), first.name.clone());
    let claims = first.file.filter(|_| config.unlink);
    let sockets: Vec<Socket> = taken.into_iter().map(|named| named.socket).collect();
    for socket in &sockets {
        if let Socket::Tcp(socket) = socket {
            // It worked without until now.
            let _ = set_tcp_nodelay(socket, config.nodelay);
        }
    }
    Some(Opened { at, sockets, layer, name, file: None, claims })
}

/// Deals the sockets out to the cores, and keeps one of each for a successor.
pub(super) fn deal(
    listeners: Vec<Opened>,
    config: &Config,
    cores: usize,
) -> io::Result<(Vec<Vec<Seat>>, Kept, Vec<Claim>)> {
    let mut seats: Vec<Vec<Seat>> = (0..cores).map(|_| Vec::new()).collect();
    let (mut kept, mut claims) = (Kept::default(), Vec::new());
    for (listener, opened) in listeners.into_iter().enumerate() {
        let Opened { sockets, layer, name, file, claims: claimed, at } = opened;
        let file_id = file.as_ref().map(SocketFile::id).or(claimed);
        if let (Bound::Unix(path), Some(claimed)) = (&at, claimed) {
            claims.push((path.clone(), claimed));
        }
        kept.files.extend(file);
        for socket in &sockets {
            let (fd, name) = (socket.try_clone_fd()?, name.clone());
            kept.sockets.push(KeptSocket { fd, name, file: file_id });
        }
        let central = config.accept.is_central() && !matches!(at, Bound::Udp(_));
        // Where there are fewer sockets than cores, cores share them.
        let spare = if central { 0 } else { cores.saturating_sub(sockets.len()) };
        let shared: io::Result<Vec<Socket>> =
            sockets.iter().cycle().take(spare).map(Socket::try_clone).collect();
        for (index, socket) in sockets.into_iter().chain(shared?).enumerate() {
            let core = if central { 0 } else { index % cores };
            seats[core].push(Seat { listener, socket, layer: layer.clone() });
        }
    }
    Ok((seats, kept, claims))
}
