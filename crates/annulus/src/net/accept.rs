//! Futures that wait for connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_ring::Kernel as _;
use futures_core::Stream;

use super::TcpStream;
use super::recv::{Place, Queue};
use crate::core::end::End;
use crate::core::{Owned, State, errors};

/// The future of [`TcpListener::accept`](super::TcpListener::accept).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Accept<'a> {
    owned: &'a Owned,
    place: Place,
}

impl<'a> Accept<'a> {
    pub(super) fn new(owned: &'a Owned) -> Self {
        Self { owned, place: Place::new(owned, Queue::Accepted) }
    }

    /// A connection, unless its peer is gone already.
    fn adopt(&self, fd: RawFd) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        match self.owned.with(|state, _| peer_or_close(state, fd)) {
            Ok(peer) => peer.map(|peer| Ok((TcpStream::adopt(fd)?, peer))),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let polled = self
                .place
                .poll(cx, |state, key, waiter, waker| state.poll_accept(key, waiter, waker));
            let fd = match polled {
                Ok(poll) => ready!(poll),
                Err(error) => Err(error),
            };
            match fd {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(fd) => {
                    if let Some(accepted) = self.adopt(fd) {
                        return Poll::Ready(accepted);
                    }
                }
            }
        }
    }
}

impl End for Accept<'_> {
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
fn peer_or_close(state: &mut State, fd: RawFd) -> Option<SocketAddr> {
    let peer = state.ring.kernel().peer_address(fd).ok().and_then(|address| address.ip());
    if peer.is_none() {
        state.close_descriptor(fd);
    }
    peer
}

/// The connections of a listener, without end. Made by
/// [`TcpListener::incoming`](super::TcpListener::incoming).
///
/// Each item is what an [`accept`](super::TcpListener::accept) would give, errors included: they do
/// not end it. Between items it holds neither a connection nor a place in the queue, so dropping it
/// after any of them loses none.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    accept: Accept<'a>,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(owned: &'a Owned) -> Self {
        Self { accept: Accept::new(owned) }
    }
}

impl Stream for Incoming<'_> {
    type Item = io::Result<(TcpStream, SocketAddr)>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.accept).poll(cx).map(Some)
    }
}
