//! What a stream receives, as a `Stream`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::recv::Recv;
use crate::buf::Lease;
use crate::core::Owned;

/// The received bytes, lease by lease, until the peer has ended its direction. Made by
/// [`TcpStream::leases`](super::TcpStream::leases).
///
/// Each item is what a [`recv`](super::TcpStream::recv) would give. Between items it holds neither
/// bytes nor a place in the queue of readers, so it can be dropped after any of them, or be mixed
/// with other ways of reading, and nothing is lost.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Leases<'a> {
    recv: Recv<'a>,
}

impl Leases<'_> {
    pub(super) fn new(owned: &Owned) -> Self {
        Self { recv: Recv::new(owned) }
    }
}

impl Stream for Leases<'_> {
    type Item = io::Result<Lease>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let received = ready!(std::future::Future::poll(Pin::new(&mut self.recv), cx));
        Poll::Ready(received.transpose())
    }
}
