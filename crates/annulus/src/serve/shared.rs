//! What the cores of a server share: counters, limits, and who is where.
//!
//! Owns: how many connections there are, of each core and of each address, and who waits to have
//! one more. Does not own: the connections. Invariants: a [`Permit`] is counted from before a
//! connection is accepted into a core until its last handle is gone, on whatever thread; who waits
//! for a permit is woken by the next that goes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::config::Config;
use super::estate::Estate;
use super::listen::{Bound, Claim};
use super::registry::Registry;
use crate::net::SocketFile;
use crate::runtime::CoreHandle;

/// A number that one core mostly writes and any thread reads.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, n: u64) {
        // ORDERING: Relaxed; it counts, and nothing is read because of it.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, n: u64) {
        // ORDERING: Relaxed; as above. Who waits for it to fall is woken under a lock.
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Takes one off. True if it was the last.
    fn falls(&self) -> bool {
        // ORDERING: AcqRel, with those of the others: the last sees what all have closed.
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Adds one if there are fewer than `most`. False if not.
    fn add_below(&self, most: u64) -> bool {
        // ORDERING: Relaxed, both; a limit of this number and of nothing else.
        let (stored, looked) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(stored, looked, |now| (now < most).then_some(now + 1)).is_ok()
    }

    pub(super) fn now(&self) -> u64 {
        // ORDERING: Relaxed; as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// Of one core.
#[derive(Debug, Default)]
pub(super) struct OfCore {
    pub(super) open: Count,
    pub(super) accepted: Count,
    pub(super) handed_over: Count,
    pub(super) refused: Count,
    pub(super) pauses: Count,
    pub(super) exhausted: Count,
    pub(super) resting: Count,
    pub(super) finished: Count,
    pub(super) failed: Count,
    pub(super) panicked: Count,
    pub(super) cancelled: Count,
    pub(super) idle: Count,
    pub(super) handshakes_failed: Count,
    pub(super) datagrams: Count,
    pub(super) registry: Mutex<Registry>,
    /// It takes connections: its handler has started, and it is not to stop.
    takes: AtomicBool,
    /// It has no listener any more.
    has_closed: AtomicBool,
    /// Acceptors that wait for a connection to end.
    waiting: Mutex<Vec<Waker>>,
}

impl OfCore {
    /// Whether it takes connections now.
    pub(super) fn takes(&self) -> bool {
        // ORDERING: Relaxed; that it is about to stop may be seen late, which `moving` is for.
        self.takes.load(Ordering::Relaxed)
    }

    /// From now on it does, or does not. Who waits looks again.
    pub(super) fn set_takes(&self, takes: bool) {
        // ORDERING: Relaxed; whoever waits is woken under the lock of `waiting` after it.
        self.takes.store(takes, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Of the whole server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) cores: Box<[OfCore]>,
    pub(super) cpus: Vec<usize>,
    pub(super) bound: Vec<Bound>,
    pub(super) handles: OnceLock<Vec<CoreHandle>>,
    peers: Mutex<HashMap<IpAddr, usize>>,
    /// What a successor would take over.
    pub(super) estate: Mutex<Estate>,
    /// Held while one successor is being served.
    pub(super) turn: Mutex<()>,
    /// The signals that ask it to end, as many of each as it has heard of.
    pub(super) signals: Mutex<Option<[u64; 2]>>,
    /// Readable when the threads of all cores have ended.
    pub(super) ended: OwnedFd,
    /// Readable when nothing is given to a successor any more: one has everything, or the server
    /// was stopped.
    pub(super) left: OwnedFd,
    /// Readable when no core listens any more: there is nothing to take over, and nothing in the
    /// way of who binds the same addresses.
    pub(super) closed: OwnedFd,
    pub(super) running: Count,
    /// Cores that may have a listener.
    listening: Count,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        config: Config,
        cpus: Vec<usize>,
        (bound, estate): (Vec<Bound>, Estate),
        [ended, left, closed]: [OwnedFd; 3],
    ) -> Arc<Self> {
        let cores = cpus.iter().map(|_| OfCore::default()).collect();
        let (running, listening) = (Count::default(), Count::default());
        running.add(cpus.len() as u64);
        listening.add(cpus.len() as u64);
        let (handles, peers) = (OnceLock::new(), Mutex::default());
        let (estate, signals, turn) = (Mutex::new(estate), Mutex::default(), Mutex::default());
        Arc::new(Self {
            config,
            cores,
            cpus,
            bound,
            handles,
            peers,
            estate,
            turn,
            signals,
            ended,
            left,
            closed,
            running,
            listening,
        })
    }

    /// Runs user code that has no task of its own, for a core.
    pub(super) fn contain(&self, core: usize, user_code: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
            // Dropping it is user code, too, and the hook has printed it.
            std::mem::forget(payload);
            self.has_panicked(core);
        }
    }

    /// User code has panicked on a core.
    pub(super) fn has_panicked(&self, core: usize) {
        self.cores[core].panicked.add(1);
        if let Some(hook) = &self.config.on_panic {
            (hook.0)(core);
        }
    }

    pub(super) fn handles(&self) -> &[CoreHandle] {
        self.handles.get().map_or(&[], Vec::as_slice)
    }

    /// Asks all cores to stop, within the drain.
    pub(super) fn stop(&self, bound: std::time::Duration) {
        self.handles().iter().for_each(|core| core.stop(Some(bound)));
    }

    /// The server takes no more connections: nobody is to take it over any more.
    pub(super) fn let_go(&self) {
        let left = lock(&self.estate).let_go();
        drop(left);
        announce(&self.left);
    }

    /// Whether this core takes connections and may have one more.
    pub(super) fn has_room(&self, core: usize) -> bool {
        let of_core = &self.cores[core];
        of_core.takes() && of_core.open.now() < self.config.connections_max as u64
    }

    /// A core has no listener any more. It says so when it has closed them, and again when it has
    /// ended, if it was cut off before.
    pub(super) fn closes(&self, core: usize) {
        // ORDERING: Relaxed; it tells whether this core was counted, and the count is below.
        let was_counted = self.cores[core].has_closed.swap(true, Ordering::Relaxed);
        if !was_counted && self.listening.falls() {
            // As where a core came to its end before it was to stop.
            self.let_go();
            announce(&self.closed);
        }
    }

    /// A predecessor has let go of these files.
    pub(super) fn claim(&self, claims: Vec<Claim>) {
        for (path, id) in claims {
            // A path that means nothing any more is nobody's to remove.
            let Ok(file) = SocketFile::of_other(&path, id) else { continue };
            let gone = lock(&self.estate).inherit(file);
            // If the server has ended by now, the file goes at once.
            drop(gone);
        }
    }

    /// Ready when this core may have one more connection.
    pub(super) fn poll_room(&self, core: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room(core) {
            return Poll::Ready(());
        }
        let mut waiting = lock(&self.cores[core].waiting);
        // A permit that goes is subtracted first and then takes this lock, so either it is seen to
        // have gone, or it finds the waker.
        if self.has_room(core) {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Counts a connection of a core, if that takes connections and may have one more.
    pub(super) fn permit(self: &Arc<Self>, core: usize) -> Option<Permit> {
        let of_core = &self.cores[core];
        let most = self.config.connections_max as u64;
        let has = of_core.takes() && of_core.open.add_below(most);
        has.then(|| Permit { shared: self.clone(), core, peer: None })
    }

    /// Counts a connection of a core, however many it has: the server stops, and the kernel has
    /// accepted it.
    pub(super) fn last_permit(self: &Arc<Self>, core: usize) -> Permit {
        self.cores[core].open.add(1);
        Permit { shared: self.clone(), core, peer: None }
    }
}

/// Makes an eventfd readable. Nobody reads it: full is as good as readable.
pub(super) fn announce(event: &OwnedFd) {
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

/// Who counts as one peer: of IPv6 a network of 64 bits, which is what one gets.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(peer) => Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64).into(),
    }
}

/// The right of a connection to be there; given back when dropped.
///
/// It is part of every [`Conn`](super::Conn). Who takes the socket out of one
/// ([`Conn::into_tcp`](super::Conn::into_tcp)) keeps it for as long as the connection is to count.
#[must_use = "dropping it lets another connection in"]
pub struct Permit {
    shared: Arc<Shared>,
    core: usize,
    peer: Option<IpAddr>,
}

impl Permit {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn of_core(&self) -> &OfCore {
        &self.shared.cores[self.core]
    }

    /// The core that it counts for.
    pub fn core(&self) -> usize {
        self.core
    }

    /// Counts it for its peer as well; `None` if that has too many.
    pub(super) fn of_peer(mut self, peer: Option<IpAddr>) -> Option<Self> {
        let Some((most, peer)) = self.shared.config.per_peer_max.zip(peer.map(network_of)) else {
            return Some(self);
        };
        {
            let mut peers = lock(&self.shared.peers);
            let has = peers.entry(peer).or_insert(0);
            if *has >= most {
                return None;
            }
            *has += 1;
        }
        self.peer = Some(peer);
        Some(self)
    }

    /// The same right on another core, however many that has.
    pub(super) fn moved_to(mut self, core: usize) -> Self {
        let mut moved = self.shared.last_permit(core);
        moved.peer = self.peer.take();
        moved
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(peer) = self.peer {
            let mut peers = lock(&self.shared.peers);
            if let Entry::Occupied(mut has) = peers.entry(peer) {
                *has.get_mut() -= 1;
                if *has.get() == 0 {
                    has.remove();
                }
            }
        }
        let of_core = self.of_core();
        of_core.open.subtract(1);
        of_core.wake();
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("core", &self.core).finish_non_exhaustive()
    }
}
