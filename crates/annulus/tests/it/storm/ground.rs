//! What the victims of the storm wait for, and their peers.
//!
//! Owns: the sockets, files and pipes, and the accounts of what was sent and what was taken.

use std::cell::{Cell, RefCell};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, UnixStream};
use annulus::time::{sleep, timeout};
use annulus_ring::abi::{Cqe, Opcode, Sqe, TimeoutFlags, Timespec};
use annulus_ring::op::{Op, Timeout};

use super::{ROUND, Victim};

/// What a victim is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// An accept, one of several on a listener.
    Accept,
    /// An accept on a listener that goes with it.
    ListenAndAccept,
    Open,
    /// An open that blocks a worker of the kernel until somebody opens the other end.
    OpenFifo,
    ReadFile,
    /// A read into a buffer of its own.
    ReadStream,
    /// A receive into a provided buffer.
    Recv,
    /// A receive with a time limit.
    RecvInTime,
    Sleep,
    /// A timer of the kernel.
    KernelTimeout,
}

impl Kind {
    /// Whether each has a request of its own. Accepts of one listener share one, and so do receives
    /// of one stream; sleeps are timers of the core.
    pub fn asks_by_itself(self) -> bool {
        !matches!(self, Self::Accept | Self::Recv | Self::RecvInTime | Self::Sleep)
    }

    /// Those that cost most come least.
    pub const WEIGHTED: [Self; 32] = {
        let mut all = [Self::ReadFile; 32];
        let weights = [
            (Self::Accept, 4),
            (Self::ListenAndAccept, 1),
            (Self::Open, 5),
            (Self::OpenFifo, 1),
            (Self::ReadStream, 4),
            (Self::Recv, 4),
            (Self::RecvInTime, 2),
            (Self::Sleep, 3),
            (Self::KernelTimeout, 4),
        ];
        let (mut at, mut kind) = (0, 0);
        while kind < weights.len() {
            let mut left = weights[kind].1;
            while left > 0 {
                all[at] = weights[kind].0;
                at += 1;
                left -= 1;
            }
            kind += 1;
        }
        all
    };
}

static NEAR: Timespec = Timespec { sec: 0, nsec: 1 };
static FAR: Timespec = Timespec { sec: 3600, nsec: 0 };
const HOUR: Duration = Duration::from_secs(3600);

/// Files and pipes with names.
pub struct Places {
    file: PathBuf,
    fifos: Vec<PathBuf>,
    _dir: tempfile::TempDir,
}

impl Places {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, [7; 4096]).expect("the directory can be written");
        let fifos: Vec<PathBuf> =
            (0..ROUND).map(|index| dir.path().join(format!("fifo-{index}"))).collect();
        for fifo in &fifos {
            let path = std::ffi::CString::new(fifo.as_os_str().as_encoded_bytes())
                .expect("a path without zeroes");
            // SAFETY: a string that ends with zero.
            assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        }
        Self { file, fifos, _dir: dir }
    }
}

struct Pair {
    ours: Arc<UnixStream>,
    theirs: std::os::unix::net::UnixStream,
    sent: Cell<u64>,
    taken: Arc<AtomicU64>,
}

/// Everything of one runtime.
pub struct Ground {
    listener: Arc<TcpListener>,
    address: SocketAddr,
    clients: RefCell<Vec<std::net::TcpStream>>,
    accepted: Arc<AtomicU64>,
    pairs: Vec<Pair>,
    file: Arc<File>,
    path: PathBuf,
    fifos: Vec<PathBuf>,
}

impl Ground {
    pub async fn new(places: &Places) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let pair = || {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            let ours = Arc::new(UnixStream::from_std(ours)?);
            io::Result::Ok(Pair { ours, theirs, sent: Cell::new(0), taken: Arc::default() })
        };
        Ok(Self {
            address: listener.local_addr()?,
            listener: Arc::new(listener),
            clients: RefCell::default(),
            accepted: Arc::default(),
            pairs: (0..ROUND).map(|_| pair()).collect::<io::Result<_>>()?,
            file: Arc::new(File::open(&places.file).await?),
            path: places.file.clone(),
            fifos: places.fifos.clone(),
        })
    }

    /// A victim at its place. Timers are over at once if it is to complete.
    pub fn victim(&self, kind: Kind, place: usize, completes: bool) -> Victim {
        let pair = &self.pairs[place];
        let (stream, taken) = (pair.ours.clone(), pair.taken.clone());
        match kind {
            Kind::Accept => {
                let (listener, taken) = (self.listener.clone(), self.accepted.clone());
                Box::pin(async move {
                    listener.accept().await.expect("a connection");
                    note(&taken, 1);
                })
            }
            Kind::ListenAndAccept => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
                Box::pin(async move { drop(listener.accept().await) })
            }
            Kind::Open => {
                let path = self.path.clone();
                Box::pin(async move { drop(File::open(path).await.expect("it is there")) })
            }
            Kind::OpenFifo => {
                let path = self.fifos[place].clone();
                Box::pin(async move { drop(File::open(path).await.expect("it is there")) })
            }
            Kind::ReadFile => {
                let file = self.file.clone();
                Box::pin(async move { drop(file.read_at(vec![0; 512], 64).await.expect("bytes")) })
            }
            Kind::ReadStream => Box::pin(async move {
                let (n, _) = stream.read(vec![0; 16]).await.expect("bytes");
                note(&taken, n as u64);
            }),
            Kind::Recv => Box::pin(async move {
                let lease = stream.recv().await.expect("no error").expect("no end");
                note(&taken, lease.len() as u64);
            }),
            Kind::RecvInTime => Box::pin(async move {
                let lease = timeout(HOUR, stream.recv()).await.expect("in time");
                note(&taken, lease.expect("no error").expect("no end").len() as u64);
            }),
            Kind::Sleep => {
                let duration = if completes { Duration::from_nanos(1) } else { HOUR };
                Box::pin(sleep(duration))
            }
            Kind::KernelTimeout => {
                let timer = Expires(if completes { &NEAR } else { &FAR });
                // SAFETY: what it points to is static.
                let expired = unsafe { annulus::submit(timer) };
                Box::pin(async move {
                    expired.await.expect("it expires");
                })
            }
        }
    }

    /// The peer of a victim does what the victim waits for.
    pub fn act(&self, kind: Kind, place: usize) -> io::Result<()> {
        match kind {
            Kind::Accept => self.clients.borrow_mut().push(connect(self.address)?),
            Kind::OpenFifo => {
                let mut options = std::fs::OpenOptions::new();
                options.write(true).custom_flags(libc::O_NONBLOCK);
                // Nobody may have it open, or no longer.
                drop(options.open(&self.fifos[place]));
            }
            Kind::ReadStream | Kind::Recv | Kind::RecvInTime => {
                let pair = &self.pairs[place];
                (&pair.theirs).write_all(b"hello")?;
                pair.sent.set(pair.sent.get() + 5);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes what no victim took: every byte, every connection.
    pub async fn drain(&self) -> io::Result<()> {
        for pair in &self.pairs {
            while read(&pair.taken) < pair.sent.get() {
                let lease = timeout(Duration::from_secs(20), pair.ours.recv()).await;
                let lease = lease.expect("bytes are lost")?.expect("no end");
                note(&pair.taken, lease.len() as u64);
            }
            assert_eq!(read(&pair.taken), pair.sent.get(), "bytes came twice");
        }
        let clients = self.clients.take();
        while read(&self.accepted) < clients.len() as u64 {
            let accepted = timeout(Duration::from_secs(20), self.listener.accept()).await;
            drop(accepted.expect("a connection is lost")?);
            note(&self.accepted, 1);
        }
        assert_eq!(read(&self.accepted), clients.len() as u64, "a connection came twice");
        // ORDERING: relaxed; as in `note`.
        self.accepted.store(0, Ordering::Relaxed);
        Ok(())
    }
}

fn note(account: &AtomicU64, taken: u64) {
    // ORDERING: relaxed; written and read on one thread.
    account.fetch_add(taken, Ordering::Relaxed);
}

fn read(account: &AtomicU64) -> u64 {
    // ORDERING: relaxed; as in `note`.
    account.load(Ordering::Relaxed)
}

/// A client that leaves no waiting port behind when it is dropped.
fn connect(address: SocketAddr) -> io::Result<std::net::TcpStream> {
    let client = std::net::TcpStream::connect(address)?;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
    let bytes = size_of::<libc::linger>() as libc::socklen_t;
    let value: *const libc::linger = &linger;
    // SAFETY: a live descriptor, and a value of the size that is given.
    let set = unsafe { libc::setsockopt(client.as_raw_fd(), level, name, value.cast(), bytes) };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
    Ok(client)
}

/// A timer of the kernel. Unlike the ring's, it may cross threads.
pub struct Expires(pub &'static Timespec);

impl Op for Expires {
    const OPCODE: Opcode = Timeout::OPCODE;
    type Output = <Timeout as Op>::Output;

    fn encode(&self, sqe: &mut Sqe) {
        Timeout { spec: self.0, count: 0, flags: TimeoutFlags::EMPTY }.encode(sqe);
    }

    fn decode(cqe: &Cqe) -> io::Result<Self::Output> {
        Timeout::decode(cqe)
    }
}
