//! One connection, as handlers see it.
//!
//! Owns: what a connection is besides its bytes: its name, its peer, its time limits, how it ended.
//! Does not own: reading (`reading`), sending (`sending`), making one (`outbound`), sockets.
//!
//! | what happens | `with_data`, `recv` | sends |
//! |---|---|---|
//! | the peer ends its direction | what is there, then the end | go on: half-closed |
//! | … in the middle of a message | `CutOff`: the rest is dropped | go on |
//! | the peer resets | what is there, then the error once, then the end | the error |
//! | `close` | the end | what was accepted is sent, then refused |
//! | `abort`, a time limit | the end | refused; what was accepted is thrown away |
//! | the server is to stop | a message that has begun, then the end | go on |
//! | the last handle is dropped | – | what was accepted is sent, for at most `close_flush` |

mod outbound;
mod reading;
mod sending;
mod still;

use std::any::Any;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd as _;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use self::still::Still;
use super::registry::ConnId;
use super::shared::{Permit, lock};
use super::transport::{Carrier, Plain};
use crate::net::{Socket, TcpStream, UnixStream};

/// A connection of a server, or one that was made from it.
///
/// Clones are handles of the same connection: one task may read while another sends, and both are
/// woken. The last handle to be dropped closes it, after sending what was accepted (for at most
/// [`close_flush`](crate::runtime::Builder::close_flush)). Handles are `Send + Sync`; use on
/// another core is an error.
///
/// What bytes, the end, an error and a time limit mean for each method stands at
/// [`with_data`](Self::with_data); [`ended`](Self::ended) says why there are no more.
#[derive(Clone)]
#[doc(alias = "ConnCtx")]
pub struct Conn {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) carrier: Carrier,
    peer: Peer,
    listener: Option<usize>,
    /// What it was told: `CLOSED` and the like.
    told: AtomicU32,
    /// Grows with each receive and each send.
    activity: AtomicU32,
    still: Still,
    read_ns: AtomicU64,
    write_ns: AtomicU64,
    high_bytes: AtomicUsize,
    low_bytes: AtomicUsize,
    /// [`Ended`], packed.
    ended: AtomicU64,
    name: Name,
}

/// Its place in the registry and among the counted; both end with it.
struct Name {
    id: ConnId,
    permit: Option<Permit>,
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(permit) = &self.permit {
            lock(&permit.of_core().registry).remove(self.id);
        }
    }
}

/// The handler closed it.
const CLOSED: u32 = 1;
/// It was aborted.
const ABORTED: u32 = 2;
/// It was still for too long, and was aborted.
const IDLE: u32 = 4;
/// A send took too long, and it was aborted.
const LATE: u32 = 8;
/// The server is to stop: waits for a next message are short.
const STOPPING: u32 = 16;

/// No time limit.
const NEVER: u64 = u64::MAX;

/// Who is at the other end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Peer {
    /// Of a TCP connection.
    Ip(SocketAddr),
    /// Of a Unix socket; clients rarely have a name. [`Conn::unix`] gives the socket, which knows
    /// the peer's process and user.
    Unix(UnixAddr),
}

/// Why a connection gives no more bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The peer has ended its direction, and every message was whole.
    Eof,
    /// The peer has ended its direction so many bytes into a message.
    CutOff(u32),
    /// A message would be longer than
    /// [`Config::message_bytes_max`](super::Config::message_bytes_max).
    TooLong,
    /// A message did not come, or a send did not end, within its time.
    TimedOut,
    /// It was still for too long.
    Idle,
    /// The server is to stop, and no message had begun.
    Stopping,
    /// A handle was told to close it.
    Closed,
    /// A handle was told to abort it.
    Aborted,
    /// The error of the socket, ECONNRESET for instance; 0 for one without a number.
    Failed(i32),
}

impl Ended {
    fn pack(self) -> u64 {
        let (kind, value) = match self {
            Self::Eof => (1, 0),
            Self::CutOff(bytes) => (2, bytes),
            Self::TooLong => (3, 0),
            Self::TimedOut => (4, 0),
            Self::Idle => (5, 0),
            Self::Stopping => (6, 0),
            Self::Closed => (7, 0),
            Self::Aborted => (8, 0),
            Self::Failed(errno) => (9, errno as u32),
        };
        kind << 32 | u64::from(value)
    }

    fn unpack(packed: u64) -> Option<Self> {
        let value = packed as u32;
        Some(match packed >> 32 {
            1 => Self::Eof,
            2 => Self::CutOff(value),
            3 => Self::TooLong,
            4 => Self::TimedOut,
            5 => Self::Idle,
            6 => Self::Stopping,
            7 => Self::Closed,
            8 => Self::Aborted,
            9 => Self::Failed(value as i32),
            _ => return None,
        })
    }

    /// As an error, for methods that give one.
    fn error(self) -> io::Error {
        let (kind, text) = match self {
            Self::Failed(errno) if errno != 0 => return io::Error::from_raw_os_error(errno),
            Self::Failed(_) => (io::ErrorKind::Other, "the connection failed"),
            Self::Eof => (io::ErrorKind::UnexpectedEof, "the peer has ended its direction"),
            Self::CutOff(_) => (io::ErrorKind::UnexpectedEof, "the stream ended in a message"),
            Self::TooLong => (io::ErrorKind::InvalidData, "the message is longer than allowed"),
            Self::TimedOut => (io::ErrorKind::TimedOut, "the time for it is over"),
            Self::Idle => (io::ErrorKind::TimedOut, "the connection was still for too long"),
            Self::Stopping => (io::ErrorKind::Interrupted, "the server is to stop"),
            Self::Closed => (io::ErrorKind::NotConnected, "the connection was closed"),
            Self::Aborted => (io::ErrorKind::ConnectionAborted, "the connection was aborted"),
        };
        io::Error::new(kind, text)
    }
}

/// What a connection begins with.
pub(super) struct Beginning {
    pub(super) carrier: Carrier,
    pub(super) peer: Peer,
    /// The number of the listener that it came by.
    pub(super) listener: Option<usize>,
}

fn nanoseconds(bound: Duration) -> u64 {
    u64::try_from(bound.as_nanos()).map_or(NEVER - 1, |bound| bound.min(NEVER - 1))
}

fn nanos(bound: Option<Duration>) -> AtomicU64 {
    AtomicU64::new(bound.map_or(NEVER, nanoseconds))
}

impl Conn {
    /// One that is counted, and has a name.
    pub(super) fn of_server(permit: Permit, beginning: Beginning) -> Self {
        let config = &permit.shared().config;
        let limits = [config.idle, config.read, config.write];
        let registry = &permit.of_core().registry;
        let id = lock(registry).name(permit.core());
        // Until it is in the registry nobody looks for it.
        let stopping = crate::runtime::is_stopping();
        let inner = Inner::new(beginning, limits, Name { id, permit: Some(permit) });
        if stopping {
            inner.tell(STOPPING);
        }
        let inner = Arc::new(inner);
        if let Some(permit) = &inner.name.permit {
            lock(&permit.of_core().registry).insert(id, Arc::downgrade(&inner));
        }
        Self { inner }
    }

    /// Its name, for as long as it is there and not longer.
    pub fn id(&self) -> ConnId {
        self.inner.name.id
    }

    /// The other end.
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// The address of the other end; `None` of a Unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self.inner.peer {
            Peer::Ip(address) => Some(address),
            Peer::Unix(_) => None,
        }
    }

    /// Which listener it came by: its number in [`Handle::bound`](super::Handle::bound). `None` of
    /// a connection that was made from here.
    pub fn listener(&self) -> Option<usize> {
        self.inner.listener
    }

    /// The socket, for its options; `None` of a Unix socket. Below a layer it is what the layer
    /// sends by: leave its bytes alone.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.inner.carrier {
            Carrier::Plain(Plain::Tcp(stream)) => Some(stream),
            _ => None,
        }
    }

    /// The socket, if it is a Unix socket.
    pub fn unix(&self) -> Option<&UnixStream> {
        match &self.inner.carrier {
            Carrier::Plain(Plain::Unix(stream)) => Some(stream),
            _ => None,
        }
    }

    /// What its layer tells of itself, if it has one and that is a `T`.
    #[doc(alias = "tls_info")]
    pub fn info<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        match &self.inner.carrier {
            Carrier::Plain(_) => None,
            Carrier::Layered(layered) => layered.with(|it| it.info())?.downcast().ok(),
        }
    }

    /// The socket, to be used without the server: with hyper, for instance. The connection counts
    /// for as long as the [`Permit`] is kept.
    ///
    /// # Errors
    /// The connection, if it has other handles, a layer, or is a Unix socket.
    pub fn into_tcp(self) -> Result<(TcpStream, Option<Permit>), Self> {
        if self.tcp().is_none() {
            return Err(self);
        }
        let mut inner = Arc::try_unwrap(self.inner).map_err(|inner| Self { inner })?;
        let permit = inner.name.permit.take();
        if let Some(permit) = &permit {
            lock(&permit.of_core().registry).remove(inner.name.id);
        }
        match inner.carrier {
            Carrier::Plain(Plain::Tcp(stream)) => Ok((stream, permit)),
            _ => unreachable!("it was looked at above"),
        }
    }

    /// Whether neither this end nor a time limit has ended it. The peer may have: only reading
    /// tells.
    pub fn is_open(&self) -> bool {
        self.inner.told() & (CLOSED | ABORTED | IDLE | LATE) == 0
    }

    /// Why the last wait for bytes gave none; `None` as long as there were some.
    pub fn ended(&self) -> Option<Ended> {
        self.inner.ended()
    }

    /// Closes it: what was accepted is still sent, and the peer sees the end behind it. Later uses
    /// of any handle, and those that wait, find it closed. The descriptor goes with the last
    /// handle.
    pub fn close(&self) {
        self.inner.tell(CLOSED);
        match &self.inner.carrier {
            Carrier::Plain(plain) => drop(plain.socket().shutdown(Shutdown::Both)),
            Carrier::Layered(layered) => layered.with(|transport| {
                transport.close();
                drop(transport.tcp().shutdown(Shutdown::Both));
            }),
        }
    }

    /// Ends it at once: what was accepted and not sent is thrown away, and a TCP peer sees a reset.
    ///
    /// # Kernel
    /// connect(2) to `AF_UNSPEC`, which disconnects.
    pub fn abort(&self) {
        self.inner.abort(ABORTED);
    }

    /// How long this connection may be still, instead of
    /// [`Config::idle_timeout`](super::Config::idle_timeout). A core looks at its connections four
    /// times in the time of the configuration, and once a second at least, so it may take as much
    /// longer. Connections that were made from here are not looked at.
    pub fn set_idle_timeout(&self, bound: impl Into<Option<Duration>>) {
        self.inner.still.set_limit(bound.into());
        if let Some(permit) = &self.inner.name.permit {
            super::idle::ensure(permit.shared(), permit.core());
        }
    }

    /// The limit of one message, instead of [`Config::read_timeout`](super::Config::read_timeout).
    pub fn set_read_timeout(&self, bound: impl Into<Option<Duration>>) {
        self.inner.read_ns.store_limit(bound.into());
    }

    /// The limit of one send, instead of [`Config::write_timeout`](super::Config::write_timeout).
    pub fn set_write_timeout(&self, bound: impl Into<Option<Duration>>) {
        self.inner.write_ns.store_limit(bound.into());
    }

    /// How many bytes of [`send_nowait`](Self::send_nowait) this connection may have queued, and
    /// down to how many [`room`](Self::room) waits. By default
    /// [`send_high_bytes`](crate::runtime::Builder::send_high_bytes), which bounds it anyway, and
    /// half of that.
    pub fn set_watermarks(&self, high_bytes: usize, low_bytes: usize) {
        // ORDERING: Relaxed; both are hints of one core.
        self.inner.high_bytes.store(high_bytes.max(1), Ordering::Relaxed);
        // ORDERING: Relaxed; as above.
        self.inner.low_bytes.store(low_bytes.min(high_bytes), Ordering::Relaxed);
    }
}

/// A time limit in an atomic.
trait Limit {
    fn store_limit(&self, bound: Option<Duration>);
    fn limit(&self) -> Option<Duration>;
}

impl Limit for AtomicU64 {
    fn store_limit(&self, bound: Option<Duration>) {
        // ORDERING: Relaxed; a number of its own, for the core that uses it.
        self.store(nanos(bound).into_inner(), Ordering::Relaxed);
    }

    #[inline]
    fn limit(&self) -> Option<Duration> {
        // ORDERING: Relaxed; as above.
        match self.load(Ordering::Relaxed) {
            NEVER => None,
            limit => Some(Duration::from_nanos(limit)),
        }
    }
}

impl Inner {
    fn new(beginning: Beginning, limits: [Option<Duration>; 3], name: Name) -> Self {
        let Beginning { carrier, peer, listener } = beginning;
        let [idle, read, write] = limits;
        let (read_ns, write_ns) = (nanos(read), nanos(write));
        Self {
            carrier,
            peer,
            listener,
            told: AtomicU32::new(0),
            activity: AtomicU32::new(0),
            still: Still::new(idle),
            read_ns,
            write_ns,
            high_bytes: AtomicUsize::new(usize::MAX),
            low_bytes: AtomicUsize::new(usize::MAX),
            ended: AtomicU64::new(0),
            name,
        }
    }

    #[inline]
    fn told(&self) -> u32 {
        // ORDERING: Relaxed; a reader that misses it is woken after it was set, by its core.
        self.told.load(Ordering::Relaxed)
    }

    fn tell(&self, what: u32) {
        // ORDERING: Relaxed; pairs with the load above.
        self.told.fetch_or(what, Ordering::Relaxed);
    }

    /// Bytes came or went. Only its core calls this, so it need not be one instruction.
    #[inline]
    fn is_active(&self) {
        // ORDERING: Relaxed; one thread writes it.
        let activity = self.activity.load(Ordering::Relaxed);
        // ORDERING: Relaxed; as above.
        self.activity.store(activity.wrapping_add(1), Ordering::Relaxed);
    }

    fn ended(&self) -> Option<Ended> {
        // ORDERING: Relaxed; the packed value is all that there is to see.
        Ended::unpack(self.ended.load(Ordering::Relaxed))
    }

    fn note(&self, ended: Ended) {
        // ORDERING: Relaxed; as above.
        self.ended.store(ended.pack(), Ordering::Relaxed);
    }

    /// What this end has done to the connection, if anything.
    fn ended_here(&self) -> Option<Ended> {
        let told = self.told();
        match told & (CLOSED | ABORTED | IDLE | LATE) {
            0 => None,
            _ if told & IDLE != 0 => Some(Ended::Idle),
            _ if told & LATE != 0 => Some(Ended::TimedOut),
            _ if told & ABORTED != 0 => Some(Ended::Aborted),
            _ => Some(Ended::Closed),
        }
    }

    /// The error of the socket, or what this end has done and the socket only shows the result of.
    fn because(&self, error: io::Error) -> io::Error {
        let ended =
            self.ended_here().unwrap_or(Ended::Failed(error.raw_os_error().unwrap_or_default()));
        self.note(ended);
        if self.ended_here().is_some() { ended.error() } else { error }
    }

    fn abort(&self, why: u32) {
        self.tell(why);
        let both = |socket: &TcpStream| {
            // A reset wakes whoever waits; a peer that is gone already leaves nothing to do.
            if rustix::net::connect_unspec(socket.as_fd()).is_err() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        };
        match &self.carrier {
            Carrier::Plain(Plain::Tcp(stream)) => both(stream),
            Carrier::Plain(Plain::Unix(stream)) => {
                let _ = stream.shutdown(Shutdown::Both);
            }
            Carrier::Layered(layered) => layered.with(|transport| both(transport.tcp())),
        }
    }

    /// The server is to stop: who waits for a message looks again.
    pub(super) fn stop(&self) {
        self.tell(STOPPING);
        let wake = |socket: &Socket| drop(socket.owned.with(|state, key| state.wake_reader(key)));
        match &self.carrier {
            Carrier::Plain(plain) => wake(plain.socket()),
            Carrier::Layered(layered) => layered.with(|transport| wake(transport.tcp().socket())),
        }
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.id())
            .field("peer", self.peer())
            .field("carrier", &self.inner.carrier)
            .finish_non_exhaustive()
    }
}
