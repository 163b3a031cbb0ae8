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
/// Each item is what a [`recv`](super::TcpStream::recv) would give. It never holds bytes, so
/// nothing is lost with it. While an item is awaited it stands in the queue of readers, and keeps
/// its place when the future of `next()` is dropped, which a stream cannot see: poll it again, or
/// drop it, before reading in another way, or that way waits behind it.
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
