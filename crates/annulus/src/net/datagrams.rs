//! What a socket receives that keeps messages apart, as a `Stream`.

use std::fmt;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::datagram::Datagram;
use super::receive::ReceiveLeased;

/// The received datagrams, leased, one by one. Made by
/// [`UdpSocket::datagrams`](super::UdpSocket::datagrams),
/// [`UnixDatagram::datagrams`](super::UnixDatagram::datagrams), neither of which ends, and
/// [`UnixSeqpacket::packets`](super::UnixSeqpacket::packets), which ends with the connection.
///
/// Each item is what a [`recv`](super::UdpSocket::recv) would give: one request receives many, and
/// is armed again where it has ended. It never holds datagrams, so nothing is lost with it. While
/// an item is awaited it stands in the queue of readers, and keeps its place when the future of
/// `next()` is dropped, which a stream cannot see: poll it again, or drop it, before receiving in
/// another way, or that way waits behind it.
///
/// An error is an item, behind which the stream goes on; one that lasts, such as that of a socket
/// of another core, is every item.
#[must_use = "streams do nothing unless polled"]
pub struct Datagrams<'a, A = SocketAddr> {
    receive: ReceiveLeased<'a, Option<Datagram<A>>>,
}

impl<'a, A> Datagrams<'a, A> {
    pub(super) fn new(receive: ReceiveLeased<'a, Option<Datagram<A>>>) -> Self {
        Self { receive }
    }
}

impl<A> fmt::Debug for Datagrams<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").finish_non_exhaustive()
    }
}

impl<A> Stream for Datagrams<'_, A> {
    type Item = io::Result<Datagram<A>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let received = ready!(Pin::new(&mut self.receive).poll(cx));
        Poll::Ready(received.transpose())
    }
}
