//! A cache that speaks the protocol of Redis: a shard of the keys on each core.
//!
//! ```text
//!   clients ── SO_REUSEPORT ──> core 0: listener, connections, shard 0
//!                          '──> core 1: listener, connections, shard 1
//!                                  a key of another core: a parcel there and back (`shards`)
//! ```
//!
//! | read | for |
//! |---|---|
//! | `connection` | the life of a connection |
//! | `parser`, `inline` | requests, parsed where the kernel put them |
//! | `session`, `batch` | the commands that came together, their answers in order |
//! | `command`, `keys`, `lifetime`, `about`, `info` | which commands there are, and what they do |
//! | `store` | the keys of a core, and when they expire |
//! | `shards` | whose a key is, and work that crosses cores |
//! | `reply`, `number` | RESP2 and RESP3 |
//!
//! Memory for each connection is bounded: by the limits of a command, which are options, by its one
//! largest answer, and by 256 KiB for each shard that has answers for it. Connections are counted,
//! and one that is still for too long can be ended. Keys are not evicted.

mod about;
mod batch;
mod command;
mod connection;
mod info;
mod inline;
mod keys;
mod lifetime;
mod number;
mod options;
mod parser;
mod reply;
mod session;
mod shards;
mod store;

pub use options::{HELP, Options};
pub use parser::Limits;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::{Cores, Launched, LaunchedCore, launch, stopping};
use annulus::sync::cross::{Receiver, Sender, channel};
use annulus::task::JoinSet;
use foldhash::fast::RandomState;

use self::shards::{Board, Parcel, Place};
use self::store::{Now, Store};

/// Parcels that wait for a core.
const INBOX: usize = 1024;
/// How long a core rests when no connection can be taken.
const REST: Duration = Duration::from_millis(20);
/// How long answers under way have when the server stops.
const GRACE: Duration = Duration::from_millis(100);

/// A server that runs.
#[must_use = "dropping it lets the cores run on"]
pub struct Server {
    launched: Launched<io::Result<()>>,
    address: SocketAddr,
}

impl Server {
    /// Starts the cores. All of them listen when this returns.
    ///
    /// # Errors
    /// The address cannot be had, or io_uring is refused.
    pub fn start(options: &Options) -> io::Result<Self> {
        // Chooses the port if it is 0, and says so if the address is taken.
        let claimed = std::net::TcpListener::bind(options.addr)
            .and_then(|listener| listener.local_addr())
            .map_err(|error| cannot_listen(options.addr, &error))?;
        let hasher = RandomState::default();
        let (count, terms) = (options.cores, Terms::of(options));
        let (mail, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| channel(INBOX)).unzip();
        let inboxes = Mutex::new(inboxes.into_iter().map(Some).collect::<Vec<_>>());
        let board = Arc::new(Board::new(count, claimed.port()));
        let (listens, listening) = std::sync::mpsc::channel();
        let launched = launch(Cores::Count(count), move |core| {
            let mut inboxes = inboxes.lock().unwrap_or_else(PoisonError::into_inner);
            let inbox = inboxes.get_mut(core.index()).and_then(Option::take);
            let place = place(&core, (hasher.clone(), terms.limits), (&mail, &board));
            let listens = listens.clone();
            async move {
                let listener = listen(claimed);
                let told = listener.as_ref().map(drop).map_err(|error| error.kind());
                let _ = listens.send(told);
                drop(listens);
                run(place, (listener?, terms), inbox).await
            }
        })?;
        let ready = launched.cores().iter().map(|_| listening.recv());
        let all: Vec<_> = ready.collect();
        for core in all {
            if !matches!(core, Ok(Ok(()))) {
                let ended = launched.shutdown(Duration::ZERO);
                let failed = ended.into_iter().find_map(|core| core.ok()?.err());
                return Err(failed.unwrap_or_else(|| io::Error::other("a core did not start")));
            }
        }
        Ok(Self { launched, address: claimed })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets answers under way go out, and ends.
    ///
    /// # Errors
    /// A core has failed.
    pub fn stop(self) -> io::Result<()> {
        let ended = self.launched.shutdown(2 * GRACE);
        ended.into_iter().try_for_each(|core| core?)
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen at {address}: {error}"))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let options = ListenOptions::new().reuse_port(true).backlog(4096);
    TcpListener::bind_with(address, options).map_err(|error| cannot_listen(address, &error))
}

fn place(
    core: &LaunchedCore,
    (hasher, limits): (RandomState, Limits),
    (mail, board): (&[Sender<Box<Parcel>>], &Arc<Board>),
) -> Place {
    let mut store = Store::new(hasher.clone());
    store.value_bytes_max = limits.arg_bytes;
    Place {
        index: core.index(),
        store: RefCell::new(store),
        hasher,
        mail: mail.to_vec(),
        board: Arc::clone(board),
        expiring: annulus::sync::Notify::new(),
        spare: RefCell::default(),
        limits,
    }
}

/// What holds for all connections.
#[derive(Clone, Copy)]
struct Terms {
    limits: Limits,
    clients: u64,
    idle: Option<Duration>,
}

impl Terms {
    fn of(options: &Options) -> Self {
        Self { limits: options.limits, clients: options.clients, idle: options.idle }
    }
}

/// A core: takes connections until it is to stop.
async fn run(
    place: Place,
    (listener, terms): (TcpListener, Terms),
    inbox: Option<Receiver<Box<Parcel>>>,
) -> io::Result<()> {
    let place = Rc::new(place);
    let mut tasks = JoinSet::new();
    if let Some(inbox) = inbox {
        let place = Rc::clone(&place);
        tasks.spawn(async move { shards::serve(&place, inbox).await });
    }
    let expiring = Rc::clone(&place);
    tasks.spawn(async move { expire(&expiring).await });
    let mut failing = false;
    while let Some(accepted) = until_stopping(listener.accept()).await {
        // Those that have ended are let go of.
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _peer)) => {
                failing = false;
                if place.board.sum(|core| &core.connected) >= terms.clients {
                    // In the words of Redis. What is sent to one more is not waited for.
                    let _ = stream.send_nowait(b"-ERR max number of clients reached\r\n");
                    continue;
                }
                let counted = Counted::new(Rc::clone(&place));
                tasks.spawn(async move { converse(&counted.0, stream, terms.idle).await });
            }
            Err(error) => {
                if !failing {
                    eprintln!("kv: connections wait: {error}");
                }
                failing = true;
                annulus::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    annulus::time::sleep(GRACE).await;
    tasks.abort_all();
    Ok(())
}

/// What `future` gives, or nothing once the core is to stop.
async fn until_stopping<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut stopping = std::pin::pin!(stopping());
    std::future::poll_fn(|context| match stopping.as_mut().poll(context) {
        std::task::Poll::Ready(()) => std::task::Poll::Ready(None),
        std::task::Poll::Pending => future.as_mut().poll(context).map(Some),
    })
    .await
}

/// Counts a connection while it lasts.
struct Counted(Rc<Place>);

impl Counted {
    fn new(place: Rc<Place>) -> Self {
        let core = &place.board.cores[place.index];
        // ORDERING: Relaxed, here and in `drop`; numbers for people.
        core.accepted.fetch_add(1, Ordering::Relaxed);
        // ORDERING: as above.
        core.connected.fetch_add(1, Ordering::Relaxed);
        Self(place)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // ORDERING: as in `new`.
        self.0.board.cores[self.0.index].connected.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn converse(place: &Place, stream: TcpStream, idle: Option<Duration>) {
    let line = connection::Line { stream: &stream, idle };
    // A connection that breaks has nobody left to tell.
    let _ = connection::serve(place, line, place.board.next_client()).await;
}

/// How often keys are expired that nobody looks at, while there are any, and how many at once.
const EXPIRE_EVERY: Duration = Duration::from_millis(50);
const EXPIRE_AT_ONCE: usize = 1000;

/// Expires the keys of this core's shard that nobody looks at, for ever. While none expires, it
/// does nothing at all.
async fn expire(place: &Place) {
    loop {
        let next_due_ms = place.store.borrow().next_due_ms();
        if next_due_ms.is_none() {
            place.expiring.notified().await;
        }
        annulus::time::sleep(EXPIRE_EVERY).await;
        loop {
            let expired = place.store.borrow_mut().expire(&Now::default(), EXPIRE_AT_ONCE);
            if expired < EXPIRE_AT_ONCE {
                break;
            }
            annulus::task::yield_now().await;
        }
        place.publish(0);
    }
}
