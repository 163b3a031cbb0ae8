//! Futures that wait for connections.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::SocketAddr as UnixAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_ring::{Kernel as _, SocketAddress};
use futures_core::Stream;

use super::datagram::unix_unnamed;
use super::recv::{Place, Queue};
use super::stream::flatten;
use super::{TcpStream, UnixSeqpacket, UnixStream};
use crate::buf::BufError;
use crate::core::end::End;
use crate::core::{Owned, State, adopted_fd, errors};

/// The connections that a listener gives: [`TcpStream`], [`UnixStream`] and [`UnixSeqpacket`].
pub trait Accepted {
    /// The address of a peer.
    type Peer;
}

impl Accepted for TcpStream {
    type Peer = SocketAddr;
}

impl Accepted for UnixStream {
    type Peer = UnixAddr;
}

impl Accepted for UnixSeqpacket {
    type Peer = UnixAddr;
}

/// How a descriptor becomes such a connection.
pub(super) trait Adopt: Accepted + Sized {
    /// Who the peer is, as getpeername(2) said; `None` if the connection is of no use any more.
    fn peer(address: Option<SocketAddress>) -> Option<Self::Peer>;

    /// The connection of a descriptor that is ours, which receives into buffers of this group.
    fn adopt(fd: RawFd, group: u8) -> io::Result<Self>;
}

impl Adopt for TcpStream {
    fn peer(address: Option<SocketAddress>) -> Option<SocketAddr> {
        // One that its peer has reset has no peer.
        address?.ip()
    }

    fn adopt(fd: RawFd, group: u8) -> io::Result<Self> {
        Self::adopt_into(fd, group)
    }
}

/// Always somebody: a peer that is gone may have left bytes, and one whose name cannot be told may
/// be there all the same.
fn unix_peer(address: Option<SocketAddress>) -> Option<UnixAddr> {
    let named = address.and_then(|address| UnixAddr::try_from(&address).ok());
    named.or_else(|| unix_unnamed().ok())
}

impl Adopt for UnixSeqpacket {
    fn peer(address: Option<SocketAddress>) -> Option<UnixAddr> {
        unix_peer(address)
    }

    /// Packets have buffers of their own, the same for all.
    fn adopt(fd: RawFd, _group: u8) -> io::Result<Self> {
        Self::adopt(fd)
    }
}

impl Adopt for UnixStream {
    fn peer(address: Option<SocketAddress>) -> Option<UnixAddr> {
        unix_peer(address)
    }

    fn adopt(fd: RawFd, group: u8) -> io::Result<Self> {
        Self::adopt_into(fd, group)
    }
}

/// The future of [`TcpListener::accept`](super::TcpListener::accept), and with
/// [`UnixStream`] of [`UnixListener::accept`](super::UnixListener::accept), with [`UnixSeqpacket`]
/// of [`UnixSeqpacketListener::accept`](super::UnixSeqpacketListener::accept).
#[must_use = "futures do nothing unless awaited"]
pub struct Accept<'a, S = TcpStream> {
    owned: &'a Owned,
    place: Place,
    stream: PhantomData<fn() -> S>,
}

#[allow(private_bounds, reason = "the private bound seals it")]
impl<'a, S: Adopt> Accept<'a, S> {
    pub(super) fn new(owned: &'a Owned) -> Self {
        Self { owned, place: Place::new(owned, Queue::Accepted), stream: PhantomData }
    }

    /// A connection, unless its peer is gone already.
    fn adopt(&self, fd: RawFd) -> Option<io::Result<(S, S::Peer)>> {
        let looked = self.owned.with(|state, key| {
            let group = state.records.listener(key).map_or(0, |listener| listener.group);
            peer_or_close::<S>(state, fd).map(|peer| (peer, group))
        });
        match looked {
            Ok(peer) => peer.map(|(peer, group)| Ok((S::adopt(fd, group)?, peer))),
            Err(error) => Some(Err(error)),
        }
    }
}

impl<S> fmt::Debug for Accept<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").field("place", &self.place).finish_non_exhaustive()
    }
}

#[allow(private_bounds, reason = "the private bound seals it")]
impl<S: Adopt> Future for Accept<'_, S> {
    type Output = io::Result<(S, S::Peer)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let owned = self.owned;
            let polled = self.place.poll(cx, |state, key, waiter, who| {
                state.poll_accept(key, waiter, who).map_ok(|fd| Untaken { fd, owned })
            });
            let fd = match polled {
                Ok(poll) => ready!(poll),
                Err(error) => Err(error),
            };
            match fd {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(untaken) => {
                    if let Some(accepted) = self.adopt(untaken.take()) {
                        return Poll::Ready(accepted);
                    }
                }
            }
        }
    }
}

/// A connection that has left the queue, and is closed if a waker that is dropped meanwhile panics.
struct Untaken<'a> {
    fd: RawFd,
    owned: &'a Owned,
}

impl Untaken<'_> {
    fn take(self) -> RawFd {
        let fd = self.fd;
        std::mem::forget(self);
        fd
    }
}

impl Drop for Untaken<'_> {
    fn drop(&mut self) {
        let _ = self.owned.with(|state, _| state.close_descriptor(self.fd));
    }
}

impl<S: Adopt> End for Accept<'_, S> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let mut accepted = None;
        while accepted.is_none() {
            let fd = self.place.look(|state, key, waiter| state.take_accepted(key, waiter));
            let Some(fd) = fd.flatten() else { break };
            accepted = self.adopt(fd);
        }
        self.place.leave();
        Some(accepted.unwrap_or_else(|| Err(errors::cancelled())))
    }
}

/// The peer of an accepted connection; one that is gone already is closed.
fn peer_or_close<S: Adopt>(state: &mut State, fd: RawFd) -> Option<S::Peer> {
    let peer = S::peer(state.ring.kernel().peer_address(fd).ok());
    if peer.is_none() {
        state.close_descriptor(fd);
    }
    peer
}

/// The connections of a listener, without end. Made by
/// [`TcpListener::incoming`](super::TcpListener::incoming) and by the method of that name of the
/// other listeners.
///
/// Each item is what an [`accept`](super::TcpListener::accept) would give, errors included: they do
/// not end it. It never holds a connection, so none is lost with it. While an item is awaited it
/// stands in the queue of those who accept, and keeps its place when the future of `next()` is
/// dropped, which a stream cannot see: poll it again, or drop it, before accepting in another way,
/// or that way waits behind it.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a, S = TcpStream> {
    accept: Accept<'a, S>,
}

#[allow(private_bounds, reason = "the private bound seals it")]
impl<'a, S: Adopt> Incoming<'a, S> {
    pub(super) fn new(owned: &'a Owned) -> Self {
        Self { accept: Accept::new(owned) }
    }
}

#[allow(private_bounds, reason = "the private bound seals it")]
impl<S: Adopt> Stream for Incoming<'_, S> {
    type Item = io::Result<(S, S::Peer)>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.accept).poll(cx).map(Some)
    }
}

/// Takes a listener's descriptor out, when no accept is with the kernel and nobody has to take a
/// connection before.
pub(super) async fn detach(owned: Owned) -> Result<OwnedFd, BufError<Owned>> {
    let mut place = Place::new(&owned, Queue::Accepted);
    let stopped = poll_fn(|cx| {
        let polled =
            place.poll(cx, |state, key, waiter, who| state.poll_accept_stopped(key, waiter, who));
        flatten(polled)
    })
    .await;
    drop(place);
    if let Err(error) = stopped {
        let _ = owned.with(|state, key| state.accept_again(key));
        return Err(BufError::new(error, owned));
    }
    match owned.with(|state, key| state.detach(key)) {
        Ok(Some(fd)) => {
            owned.forget();
            Ok(adopted_fd(fd))
        }
        Ok(None) => Err(BufError::without_buf(errors::handle_gone())),
        Err(error) => Err(BufError::new(error, owned)),
    }
}
