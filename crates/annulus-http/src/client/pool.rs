//! Connections that are kept.
//!
//! Owns: the senders of hyper that may be used again, by core, host and port. Does not own: the
//! connections' tasks. Invariants: a sender of HTTP/1 is either here or with one request; nothing
//! is awaited while the pool is locked.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annulus::runtime::CoreId;
use annulus::task::current_core;
use annulus::time::Instant;
use hyper::client::conn::{http1, http2};

/// To whom a connection leads, and on which core.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    core: Option<CoreId>,
    https: bool,
    /// Host and port; the port of HTTP may be left out in the header.
    authority: String,
    host_bytes: usize,
}

impl Key {
    pub(super) fn new(host: &str, port: Option<u16>, https: bool) -> Self {
        let usual = if https { 443 } else { 80 };
        let port = port.unwrap_or(usual);
        let authority = format!("{host}:{port}");
        let host_bytes = if port == usual { host.len() } else { authority.len() };
        Self { core: current_core(), https, authority, host_bytes }
    }

    pub(super) fn is_https(&self) -> bool {
        self.https
    }

    /// The host alone, for its certificate.
    pub(super) fn host(&self) -> &str {
        self.authority.rsplit_once(':').map_or("", |(host, _port)| host)
    }

    /// For the header `Host`.
    pub(super) fn host_header(&self) -> &str {
        &self.authority[..self.host_bytes]
    }

    pub(super) fn destination(&self) -> &str {
        &self.authority
    }

    pub(super) fn into_authority(self) -> String {
        self.authority
    }
}

pub(super) struct Pool<B> {
    hosts: Mutex<Hosts<B>>,
    idle_timeout: Duration,
    idle_max: usize,
}

struct Hosts<B> {
    /// The last that was used is the last.
    kept: HashMap<Key, Vec<Kept<B>>>,
    shared: HashMap<Key, http2::SendRequest<B>>,
    /// Cores with a task that tidies.
    tidied: HashSet<Option<CoreId>>,
}

struct Kept<B> {
    sender: http1::SendRequest<B>,
    since: Instant,
}

impl<B> Pool<B> {
    pub(super) fn new(idle_timeout: Duration, idle_max: usize) -> Self {
        let hosts = Hosts { kept: HashMap::new(), shared: HashMap::new(), tidied: HashSet::new() };
        Self { hosts: Mutex::new(hosts), idle_timeout, idle_max }
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    fn lock(&self) -> MutexGuard<'_, Hosts<B>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is ready for a request. One whose last response is still being read stays.
    pub(super) fn take(&self, key: &Key) -> Option<http1::SendRequest<B>> {
        let mut hosts = self.lock();
        let kept = hosts.kept.get_mut(key)?;
        self.drop_stale(kept);
        let ready = kept.iter().rposition(|kept| kept.sender.is_ready())?;
        Some(kept.remove(ready).sender)
    }

    /// Keeps a connection; true if a task has to be made on this core that tidies.
    pub(super) fn keep(&self, key: &Key, sender: http1::SendRequest<B>) -> bool {
        if self.idle_max == 0 || sender.is_closed() {
            return false;
        }
        let mut hosts = self.lock();
        let kept = hosts.kept.entry(key.clone()).or_default();
        self.drop_stale(kept);
        if kept.len() >= self.idle_max {
            kept.remove(0);
        }
        kept.push(Kept { sender, since: Instant::now() });
        hosts.tidied.insert(key.core)
    }

    /// A connection of HTTP/2 that others may be using.
    pub(super) fn shared(&self, key: &Key) -> Option<http2::SendRequest<B>>
    where
        http2::SendRequest<B>: Clone,
    {
        let mut hosts = self.lock();
        let sender = hosts.shared.get(key)?;
        if sender.is_closed() {
            hosts.shared.remove(key);
            return None;
        }
        Some(sender.clone())
    }

    pub(super) fn share(&self, key: &Key, sender: http2::SendRequest<B>) {
        self.lock().shared.insert(key.clone(), sender);
    }

    /// Drops what is closed or was idle for too long.
    pub(super) fn tidy(&self) {
        let mut hosts = self.lock();
        hosts.kept.retain(|_, kept| {
            self.drop_stale(kept);
            !kept.is_empty()
        });
        hosts.shared.retain(|_, sender| !sender.is_closed());
    }

    fn drop_stale(&self, kept: &mut Vec<Kept<B>>) {
        kept.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < self.idle_timeout);
    }
}
