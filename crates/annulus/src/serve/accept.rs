//! Accepting connections, and giving them to cores.
//!
//! Owns: the loop over one listener of a core, the limits on it, the choice of a core, and the way
//! there. Does not own: what a core does with a connection (`worker`).
//!
//! Invariants: a connection that was accepted is served, refused by the limit of its peer, or
//! closed because its core has ended; when the server stops, what the kernel has accepted already
//! is served before the listener is closed.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::config::Accept;
use super::conn::Peer;
use super::handler::Serves;
use super::listen::{Seat, Socket};
use super::shared::Permit;
use super::transport::{Layer, Plain};
use super::worker::{Site, or_stop};
use crate::net::{Portable, TcpListener, TcpStream, UnixListener, UnixStream};

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection on its way to its core.
pub(super) struct Arrival {
    stream: Moving,
    layer: Option<Arc<dyn Layer>>,
    peer: Peer,
    listener: usize,
    permit: Permit,
}

enum Moving {
    Here(Plain),
    Tcp(Portable<TcpStream>),
    Unix(Portable<UnixStream>),
}

/// A connection that has come to its core.
pub(super) type Parts = (Plain, Option<Arc<dyn Layer>>, Peer, Option<usize>, Permit);

impl Arrival {
    /// Takes the socket over on this core.
    pub(super) fn attach(self) -> io::Result<Parts> {
        let plain = match self.stream {
            Moving::Here(plain) => plain,
            Moving::Tcp(portable) => Plain::Tcp(portable.attach()?),
            Moving::Unix(portable) => Plain::Unix(portable.attach()?),
        };
        Ok((plain, self.layer, self.peer, Some(self.listener), self.permit))
    }
}

/// The loop over one listener of a core.
pub(super) struct Acceptor<S> {
    site: Rc<Site<S>>,
    listener: Option<Listener>,
    number: usize,
    layer: Option<Arc<dyn Layer>>,
    /// Whose turn it is, where this core deals out.
    next: Cell<usize>,
}

impl<S: Serves> Acceptor<S> {
    pub(super) fn new(site: Rc<Site<S>>, seat: Seat) -> io::Result<Self> {
        let listener = match seat.socket {
            Socket::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Listener::Unix(UnixListener::from_std(socket)?),
            Socket::Udp(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let (listener, layer) = (Some(listener), seat.layer);
        Ok(Self { site, listener, number: seat.listener, layer, next: Cell::new(0) })
    }

    /// Accepts until the core is to stop.
    pub(super) async fn run(mut self) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            let Some(core) = or_stop(self.room()).await else { break };
            let Some(accepted) = or_stop(listener.accept()).await else { break };
            match accepted {
                Ok((plain, peer)) => self.admit(core, plain, peer).await,
                // The listener has rested for a moment before it tries again.
                Err(error) if is_exhausted(&error) => self.site.counts().exhausted.add(1),
                Err(error) if passes(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.take_what_waits().await
    }

    /// The core for the next connection, once one has room.
    async fn room(&self) -> usize {
        let mut paused = false;
        poll_fn(|cx| {
            let polled = self.poll_room(cx);
            if polled.is_pending() && !std::mem::replace(&mut paused, true) {
                self.site.counts().pauses.add(1);
            }
            polled
        })
        .await
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let Site { shared, core, .. } = &*self.site;
        if !shared.config.accept.is_central() {
            return shared.poll_room(*core, cx).map(|()| *core);
        }
        let count = shared.cores.len();
        let mut order: Vec<usize> = (0..count).map(|n| (self.next.get() + n) % count).collect();
        if shared.config.accept == Accept::LeastConnections {
            // Stable: of equals the one whose turn it is.
            order.sort_by_key(|core| shared.cores[*core].open.now());
        }
        for core in order {
            if shared.poll_room(core, cx).is_ready() {
                return Poll::Ready(core);
            }
        }
        Poll::Pending
    }

    /// A connection was accepted for a core.
    async fn admit(&self, core: usize, plain: Plain, peer: Peer) {
        let shared = &self.site.shared;
        // Another core may have ended by now.
        let core = if crate::runtime::is_stopping() { self.site.core } else { core };
        let address = match &peer {
            Peer::Ip(address) => Some(address.ip().to_canonical()),
            Peer::Unix(_) => None,
        };
        let Some(permit) = shared.permit(core, address) else {
            self.site.counts().refused.add(1);
            return;
        };
        self.next.set((core + 1) % shared.cores.len());
        shared.cores[core].accepted.add(1);
        let (layer, listener) = (self.layer.clone(), self.number);
        let arrival = |stream| Arrival { stream, layer, peer, listener, permit };
        if core == self.site.core {
            self.site.begin(arrival(Moving::Here(plain)));
            return;
        }
        self.site.counts().handed_over.add(1);
        let moving = match plain {
            Plain::Tcp(stream) => stream.into_portable().await.map(Moving::Tcp).ok(),
            Plain::Unix(stream) => stream.into_portable().await.map(Moving::Unix).ok(),
        };
        // It failed already, or its core has ended: it is closed.
        let (Some(moving), Some(target)) = (moving, shared.handles().get(core)) else { return };
        let arrival = arrival(moving);
        let arrive = move || async move {
            if let Some(driver) = super::driver() {
                driver.arrive(arrival);
            }
        };
        drop(annulus_task::spawn_on(target.id(), arrive));
    }

    /// The server stops: what the kernel has accepted for this listener is served.
    async fn take_what_waits(&mut self) -> io::Result<()> {
        while let Some(listener) = self.listener.take() {
            while let Some(accepted) = now(listener.accept()).await {
                if let Ok((plain, peer)) = accepted {
                    self.admit(self.site.core, plain, peer).await;
                }
            }
            match listener.into_queue().await {
                Ok(queue) => {
                    for (plain, peer) in queue {
                        self.admit(self.site.core, plain, peer).await;
                    }
                }
                // Something came meanwhile.
                Err(Some(listener)) => self.listener = Some(listener),
                Err(None) => {}
            }
        }
        Ok(())
    }
}

/// What a future gives at once, if it does.
async fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

impl Listener {
    async fn accept(&self) -> io::Result<(Plain, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Plain::Tcp(stream), Peer::Ip(peer)))
            }
            Self::Unix(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Plain::Unix(stream), Peer::Unix(peer)))
            }
        }
    }

    /// Stops listening, and gives the connections that wait in the kernel. The listener, if there
    /// are some that were taken from there already.
    async fn into_queue(self) -> Result<Vec<(Plain, Peer)>, Option<Self>> {
        let mut queue = Vec::new();
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_fd().await;
                let listener = listener.map_err(|error| error.into_buf().map(Self::Tcp))?;
                let listener = std::net::TcpListener::from(listener);
                while let Ok((stream, peer)) = at_once(&listener, |it| it.accept()) {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        queue.push((Plain::Tcp(stream), Peer::Ip(peer)));
                    }
                }
            }
            Self::Unix(listener) => {
                let listener = listener.into_fd().await;
                let listener = listener.map_err(|error| error.into_buf().map(Self::Unix))?;
                let listener = std::os::unix::net::UnixListener::from(listener);
                while let Ok((stream, peer)) = at_once(&listener, |it| it.accept()) {
                    if let Ok(stream) = UnixStream::from_std(stream) {
                        queue.push((Plain::Unix(stream), Peer::Unix(peer)));
                    }
                }
            }
        }
        Ok(queue)
    }
}

/// Calls accept(2) in a way that does not wait. The listener may be shared with cores that do not
/// care, and with a successor that may; nobody here makes it wait again, or another core that is
/// about to accept would.
fn at_once<L: std::os::fd::AsFd, T>(
    listener: &L,
    accept: impl Fn(&L) -> io::Result<T>,
) -> io::Result<T> {
    rustix::io::ioctl_fionbio(listener, true)?;
    accept(listener)
}

fn is_exhausted(error: &io::Error) -> bool {
    const SHORT: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|errno| SHORT.contains(&errno))
}

/// Whether accepting goes on: it was about one connection.
fn passes(error: &io::Error) -> bool {
    const OF_ONE: [i32; 12] = [
        libc::ECONNABORTED,
        libc::ECONNRESET,
        libc::ENONET,
        libc::EPROTO,
        libc::EPERM,
        libc::ENETDOWN,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
        libc::ETIMEDOUT,
    ];
    error.raw_os_error().is_some_and(|errno| OF_ONE.contains(&errno))
}
