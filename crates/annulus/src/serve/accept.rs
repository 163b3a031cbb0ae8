//! Accepting connections, and giving them to cores.
//!
//! Owns: the loop over one listener of a core, the limits on it, and the way to another core. Does
//! not own: which core that is (`choice`), what a core does with a connection (`worker`).
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
use std::task::Poll;
use std::time::Duration;

use super::conn::Peer;
use super::handler::Serves;
use super::listen::{Seat, Socket};
use super::moving::Moving as UnderWay;
use super::shared::Permit;
use super::transport::{Layer, Plain};
use super::trouble::Spell;
use super::worker::{Site, or_stop};
use crate::net::{Portable, TcpListener, TcpStream, UnixListener, UnixStream};
use crate::time::sleep;

/// How long accepting rests when descriptors or memory have run out, by the ring or without it.
const REST: Duration = Duration::from_nanos(crate::core::listener::PAUSE_NS);
/// How many connections are taken out of a queue before others have their turn.
const AT_ONCE: u32 = 32;

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

    /// Counts for this core from now on.
    fn stays_on(self, core: usize) -> Self {
        Self { permit: self.permit.moved_to(core), ..self }
    }
}

/// The loop over one listener of a core.
pub(super) struct Acceptor<S> {
    site: Rc<Site<S>>,
    listener: Option<Listener>,
    number: usize,
    layer: Option<Arc<dyn Layer>>,
    under_way: UnderWay,
    spell: Spell,
}

impl<S: Serves> Acceptor<S> {
    pub(super) fn new(site: Rc<Site<S>>, seat: Seat) -> io::Result<Self> {
        let listener = match seat.socket {
            Socket::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Listener::Unix(UnixListener::from_std(socket)?),
            Socket::Udp(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let (number, under_way) = (seat.listener, UnderWay::default());
        let spell = site.spell(number);
        Ok(Self { site, listener: Some(listener), number, layer: seat.layer, under_way, spell })
    }

    /// Accepts until the core is to stop.
    pub(super) async fn run(mut self) -> io::Result<()> {
        while let Some(listener) = &self.listener {
            // While no core has room, connections stay in the kernel's queue.
            if or_stop(self.room()).await.is_none() {
                break;
            }
            let Some(accepted) = or_stop(listener.accept()).await else { break };
            match accepted {
                Ok((plain, peer)) => {
                    // Which core has room now, not when the wait for a connection began.
                    let placed = or_stop(self.place()).await;
                    let permit = placed.unwrap_or_else(|| self.last_permit());
                    self.admit(permit, plain, peer).await;
                }
                Err(error) => self.tolerate(error)?,
            }
        }
        self.take_what_waits().await?;
        while let Some(arrival) = self.under_way.next_back().await {
            self.site.begin(arrival.stays_on(self.site.core));
        }
        Ok(())
    }

    /// Waits until a core has room.
    async fn room(&self) {
        let Site { shared, choice, .. } = &*self.site;
        self.or_pause(|cx| choice.poll_room(shared, cx)).await
    }

    /// The place of a connection that is there.
    async fn place(&self) -> Permit {
        let Site { shared, choice, .. } = &*self.site;
        self.or_pause(|cx| choice.poll_place(shared, cx)).await
    }

    fn last_permit(&self) -> Permit {
        self.site.shared.last_permit(self.site.core)
    }

    /// Awaits it, and counts once that it was not ready.
    async fn or_pause<T>(&self, poll: impl Fn(&mut std::task::Context<'_>) -> Poll<T>) -> T {
        let paused = Cell::new(false);
        poll_fn(|cx| {
            let polled = poll(cx);
            if polled.is_pending() && !paused.replace(true) {
                self.site.counts().pauses.add(1);
            }
            polled
        })
        .await
    }

    /// Descriptors or memory have run out.
    fn rests(&self, error: &io::Error) {
        self.site.counts().exhausted.add(1);
        self.spell.rests(error, REST);
    }

    /// # Errors
    /// The error, if there is no accepting any more.
    fn tolerate(&self, error: io::Error) -> io::Result<()> {
        match Meaning::of(&error) {
            // The listener has rested for a moment before it tries again.
            Meaning::Exhausted => self.rests(&error),
            Meaning::OfOne | Meaning::Nothing => {}
            Meaning::Fatal => return Err(error),
        }
        Ok(())
    }

    /// A connection was accepted, and has a place on a core.
    async fn admit(&self, permit: Permit, plain: Plain, peer: Peer) {
        self.spell.works();
        let Site { shared, core: own, .. } = &*self.site;
        let address = match &peer {
            Peer::Ip(address) => Some(address.ip().to_canonical()),
            Peer::Unix(_) => None,
        };
        let Some(permit) = permit.of_peer(address) else {
            self.site.counts().refused.add(1);
            return;
        };
        let (core, layer, listener) = (permit.core(), self.layer.clone(), self.number);
        let arrival = |stream| Arrival { stream, layer, peer, listener, permit };
        if core == *own {
            self.site.begin(arrival(Moving::Here(plain)));
            return;
        }
        let moving = match plain {
            Plain::Tcp(stream) => stream.into_portable().await.map(Moving::Tcp).ok(),
            Plain::Unix(stream) => stream.into_portable().await.map(Moving::Unix).ok(),
        };
        // One that has failed already is closed.
        let (Some(moving), Some(target)) = (moving, shared.handles().get(core)) else { return };
        self.site.counts().handed_over.add(1);
        let crossing = self.under_way.depart(arrival(moving));
        let arrive = move || async move {
            if let Some(driver) = super::driver() {
                driver.arrive(crossing);
            }
        };
        // If that core has ended, it comes back.
        drop(annulus_task::spawn_on(target.id(), arrive));
    }

    /// The server stops: what the kernel has accepted for this listener is served.
    async fn take_what_waits(&mut self) -> io::Result<()> {
        while let Some(listener) = self.listener.take() {
            let mut taken = 0;
            while let Some(accepted) = now(listener.accept()).await {
                match accepted {
                    Ok((plain, peer)) => self.admit(self.last_permit(), plain, peer).await,
                    Err(error) => self.tolerate(error)?,
                }
                give_way(&mut taken).await;
            }
            match listener.into_quiet().await {
                Ok(quiet) => self.empty(&quiet).await?,
                // Something came meanwhile.
                Err(Some(listener)) => self.listener = Some(listener),
                Err(None) => {}
            }
        }
        Ok(())
    }

    /// Takes everything out of a queue, one after the other: those that are served make room where
    /// descriptors have run out.
    async fn empty(&self, quiet: &Quiet) -> io::Result<()> {
        let mut taken = 0;
        loop {
            match quiet.accept() {
                Ok(Some((plain, peer))) => self.admit(self.last_permit(), plain, peer).await,
                Ok(None) => {}
                Err(error) => match Meaning::of(&error) {
                    Meaning::Nothing => return Ok(()),
                    Meaning::Exhausted => {
                        self.rests(&error);
                        // The drain bounds it.
                        sleep(REST).await;
                    }
                    Meaning::OfOne => {}
                    Meaning::Fatal => return Err(error),
                },
            }
            give_way(&mut taken).await;
        }
    }
}

/// One more was taken out of a queue: now and then the connections of the core have their turn, so
/// that a flood does not keep them from their end.
async fn give_way(taken: &mut u32) {
    *taken += 1;
    if *taken >= AT_ONCE {
        *taken = 0;
        crate::task::yield_now().await;
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

    /// Stops accepting by the ring. The listener, if there are connections that were taken from the
    /// kernel already.
    async fn into_quiet(self) -> Result<Quiet, Option<Self>> {
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_fd().await;
                let listener = listener.map_err(|error| error.into_buf().map(Self::Tcp))?;
                Ok(Quiet::Tcp(listener.into()))
            }
            Self::Unix(listener) => {
                let listener = listener.into_fd().await;
                let listener = listener.map_err(|error| error.into_buf().map(Self::Unix))?;
                Ok(Quiet::Unix(listener.into()))
            }
        }
    }
}

/// A listener of which no request is with the kernel.
enum Quiet {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Quiet {
    /// The next connection of the queue, without waiting; nothing if it was of no use.
    fn accept(&self) -> io::Result<Option<(Plain, Peer)>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = at_once(listener, |it| it.accept())?;
                let stream = TcpStream::from_std(stream).ok();
                Ok(stream.map(|stream| (Plain::Tcp(stream), Peer::Ip(peer))))
            }
            Self::Unix(listener) => {
                let (stream, peer) = at_once(listener, |it| it.accept())?;
                let stream = UnixStream::from_std(stream).ok();
                Ok(stream.map(|stream| (Plain::Unix(stream), Peer::Unix(peer))))
            }
        }
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

/// What an error of accept(2) means for the next call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    /// Nothing waits.
    Nothing,
    /// It was about one connection, or about nothing: the next call may give one.
    OfOne,
    /// Descriptors or memory have run out: later.
    Exhausted,
    /// There is no accepting any more.
    Fatal,
}

impl Meaning {
    /// Mirrors accept(2), with what Linux passes on of a connection that has failed already.
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::Nothing,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::Exhausted,
            Some(
                libc::EINTR
                | libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::ENONET
                | libc::EPROTO
                | libc::EPERM
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
                | libc::ETIMEDOUT,
            ) => Self::OfOne,
            _ => Self::Fatal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_queue_ends_emptying_it_and_only_what_is_for_good_ends_accepting() {
        let of = |errno| Meaning::of(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(libc::EAGAIN), Meaning::Nothing);
        for errno in [libc::EINTR, libc::ECONNABORTED, libc::EPROTO, libc::EPERM] {
            assert_eq!(of(errno), Meaning::OfOne);
        }
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(of(errno), Meaning::Exhausted);
        }
        for errno in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EFAULT] {
            assert_eq!(of(errno), Meaning::Fatal);
        }
        assert_eq!(Meaning::of(&io::Error::other("of no number")), Meaning::Fatal);
    }
}
