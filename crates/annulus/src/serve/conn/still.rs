//! When a connection is still: nothing comes, and nothing that was sent gets anywhere.
//!
//! Owns: what the looks at a connection have seen. Does not own: how often somebody looks (`idle`).
//!
//! | | progress is |
//! |---|---|
//! | TCP, with a layer or without | what the kernel counts: bytes that came, bytes that the peer has acknowledged |
//! | a Unix socket | what handlers have received and sent; while a send is under way, that |
//!
//! So a long answer to a slow reader is not still, although no request ends for minutes, and over
//! TCP one to a peer that reads nothing is, however much is queued for it. Of a Unix socket the
//! kernel does not tell what the peer has read, so there only the time limit of a send ends one
//! that goes nowhere. A look costs one getsockopt(2), four times in the time that a connection may
//! be still, and nothing at all for each message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::transport::{Carrier, Plain};
use super::{IDLE, Inner, Limit as _, nanos};
use crate::net::TcpStream;

/// What was seen of a connection. The thread of its core alone looks.
#[derive(Debug)]
pub(super) struct Still {
    limit_ns: AtomicU64,
    looked_ns: AtomicU64,
    /// How far it was, and when that was seen first.
    progress: AtomicU64,
    changed_ns: AtomicU64,
}

impl Still {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit_ns: nanos(limit),
            looked_ns: AtomicU64::new(0),
            progress: AtomicU64::new(u64::MAX),
            changed_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn set_limit(&self, limit: Option<Duration>) {
        self.limit_ns.store_limit(limit);
    }

    /// Whether it is time for a look. Notes that there was one.
    fn is_due(&self, now_ns: u64, limit_ns: u64) -> bool {
        // ORDERING: Relaxed, here and below; one thread looks.
        let looked_ns = self.looked_ns.load(Ordering::Relaxed);
        let is_due = looked_ns == 0 || now_ns.saturating_sub(looked_ns) >= limit_ns / 4;
        if is_due {
            // ORDERING: as above.
            self.looked_ns.store(now_ns, Ordering::Relaxed);
        }
        is_due
    }

    /// Whether it is no further than so long ago.
    fn is_late(&self, progress: u64, now_ns: u64, limit_ns: u64) -> bool {
        // ORDERING: as above.
        if self.progress.swap(progress, Ordering::Relaxed) != progress {
            // ORDERING: as above.
            self.changed_ns.store(now_ns, Ordering::Relaxed);
            return false;
        }
        // ORDERING: as above.
        now_ns.saturating_sub(self.changed_ns.load(Ordering::Relaxed)) >= limit_ns
    }
}

impl Inner {
    /// Aborts it if it has been still for longer than it may. True if so.
    pub(in super::super) fn sweep(&self, now_ns: u64) -> bool {
        let Some(limit) = self.still.limit_ns.limit().filter(|_| self.ended_here().is_none())
        else {
            return false;
        };
        let limit_ns = super::nanoseconds(limit);
        if !self.still.is_due(now_ns, limit_ns) {
            return false;
        }
        let late = self.still.is_late(self.progress(), now_ns, limit_ns);
        if late {
            self.abort(IDLE);
        }
        late
    }

    /// A number that differs whenever something has come or gone.
    fn progress(&self) -> u64 {
        match &self.carrier {
            Carrier::Plain(Plain::Tcp(stream)) => of_tcp(stream),
            Carrier::Plain(Plain::Unix(stream)) => {
                if stream.socket().is_sending() {
                    self.is_active();
                }
                // ORDERING: Relaxed; the same thread writes it.
                u64::from(self.activity.load(Ordering::Relaxed))
            }
            Carrier::Layered(layered) => layered.with(|transport| of_tcp(transport.tcp())),
        }
    }
}

/// Bytes in both directions. A kernel that does not say has none: it was in Linux 4.1 that it began
/// to.
fn of_tcp(stream: &TcpStream) -> u64 {
    stream.info().map_or(0, |info| info.bytes_acked.wrapping_add(info.bytes_received))
}

#[cfg(test)]
mod tests;
