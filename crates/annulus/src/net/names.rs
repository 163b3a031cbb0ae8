//! Names of hosts.
//!
//! Owns: asking the system's resolver, on a thread where it may block, and what it answered a
//! moment ago. Does not own: which address is taken (`connect`).
//!
//! Invariants: a core never waits for a resolver; the cache holds at most [`NAMES_MAX`] names and
//! gives nothing that is older than was said ([`keep_names`]); errors are not kept.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use annulus_task::ForkLock;

use super::ToAddress;
use super::address::Destination;
use crate::task::{BlockingHandle, spawn_blocking};

/// How long an answer is used again unless something else is said. The system's resolver does not
/// tell how long it holds.
const FRESH: Duration = Duration::from_secs(5);
/// Names whose answers are kept.
const NAMES_MAX: usize = 256;

/// The addresses of a host, in the order in which the system's resolver prefers them.
///
/// The resolver is asked on a thread of the [blocking pool](crate::task::spawn_blocking). What it
/// answers is used again for 5 seconds, by all cores of the process, for at most 256 names;
/// [`keep_names`] changes the time or turns this off. That there is no such host is not remembered:
/// it is asked for again each time. An address in place of a name is given back as it is.
/// [`TcpStream::connect`](super::TcpStream::connect) takes names itself.
///
/// # Errors
/// `InvalidInput` for text that is neither; what the resolver says, with the name: there is no such
/// host, or nobody who knows can be reached.
///
/// # Cancel safety
/// Dropping the future lets the resolver go on; nothing else happens.
///
/// # Kernel
/// getaddrinfo(3).
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut addresses = annulus::net::lookup_host("localhost:80").await?;
/// assert!(addresses.all(|address| address.ip().is_loopback() && address.port() == 80));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "getaddrinfo")]
pub async fn lookup_host(host: impl ToAddress) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let addresses = match host.to_destination()? {
        Destination::Address(address) => vec![address],
        Destination::Addresses(addresses) => addresses,
        Destination::Name { host, port } => Lookup::new(host, port).await?,
    };
    Ok(addresses.into_iter())
}

/// Has the answers of the system's resolver be used again for so long, in the whole process, from
/// now on; those that are older are forgotten. [`Duration::ZERO`] turns it off: every
/// [`lookup_host`] asks the resolver, which may have a cache of its own.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use std::time::Duration;
///
/// annulus::net::keep_names(Duration::ZERO);
/// annulus::net::lookup_host("localhost:80").await?; // nothing is left of it
/// annulus::net::keep_names(Duration::from_secs(60));
/// # Ok(())
/// # }
/// ```
pub fn keep_names(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    // ORDERING: relaxed; it is read in forked children alone, and by who makes the first cache.
    FRESH_NS.store(nanoseconds, Ordering::Relaxed);
    cache().keep(duration, Instant::now());
}

/// A question to the resolver.
pub(super) struct Lookup {
    host: String,
    port: u16,
    stage: Stage,
}

enum Stage {
    Idle,
    Asking(BlockingHandle<io::Result<Vec<IpAddr>>>),
}

impl Lookup {
    pub(super) fn new(host: String, port: u16) -> Self {
        Self { host, port, stage: Stage::Idle }
    }

    fn answer(&self, addresses: Vec<IpAddr>) -> Vec<SocketAddr> {
        addresses.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect()
    }
}

impl Future for Lookup {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let asking = match &mut this.stage {
            Stage::Asking(asking) => asking,
            Stage::Idle => {
                if let Some(known) = cache().get(&this.host, Instant::now()) {
                    return Poll::Ready(Ok(this.answer(known)));
                }
                let host = this.host.clone();
                this.stage = Stage::Asking(spawn_blocking(move || resolve(&host)));
                return self.poll(cx);
            }
        };
        let Poll::Ready(answered) = Pin::new(asking).poll(cx) else {
            return Poll::Pending;
        };
        let answered = answered.unwrap_or_else(|error| Err(io::Error::other(error.to_string())));
        Poll::Ready(match answered {
            Ok(addresses) => Ok(this.answer(addresses)),
            Err(error) => {
                let text = format!("the host {:?} cannot be resolved: {error}", this.host);
                Err(io::Error::new(error.kind(), text))
            }
        })
    }
}

/// Asks the system's resolver, which blocks.
fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    let addresses: Vec<IpAddr> = (host, 0).to_socket_addrs()?.map(|found| found.ip()).collect();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    cache().put(host, &addresses, Instant::now());
    Ok(addresses)
}

/// What the resolver said lately.
struct Cache {
    fresh: Duration,
    answers: HashMap<String, (Instant, Vec<IpAddr>)>,
}

/// How long answers are used again in caches that are still to be made: those of forked children.
static FRESH_NS: AtomicU64 = AtomicU64::new(FRESH.as_nanos() as u64);

impl Default for Cache {
    fn default() -> Self {
        // ORDERING: relaxed; see `keep_names`.
        let fresh = Duration::from_nanos(FRESH_NS.load(Ordering::Relaxed));
        Self { fresh, answers: HashMap::new() }
    }
}

static CACHE: ForkLock<Cache> = ForkLock::new(Cache::default);

/// The cache of this process, locked: never while a resolver is asked.
fn cache() -> MutexGuard<'static, Cache> {
    CACHE.lock()
}

impl Cache {
    fn get(&self, host: &str, now: Instant) -> Option<Vec<IpAddr>> {
        let (since, addresses) = self.answers.get(host)?;
        (now.duration_since(*since) < self.fresh).then(|| addresses.clone())
    }

    fn keep(&mut self, duration: Duration, now: Instant) {
        self.fresh = duration;
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: Instant) {
        let fresh = self.fresh;
        self.answers.retain(|_, (since, _)| now.duration_since(*since) < fresh);
    }

    fn put(&mut self, host: &str, addresses: &[IpAddr], now: Instant) {
        if self.answers.len() >= NAMES_MAX {
            self.forget_old(now);
        }
        if self.answers.len() < NAMES_MAX && !self.fresh.is_zero() {
            self.answers.insert(host.to_owned(), (now, addresses.to_vec()));
        }
    }
}

#[cfg(test)]
mod tests;
