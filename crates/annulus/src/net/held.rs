//! Bytes that were taken from a stream and not used up yet.
//!
//! Owns: the bytes, and the first place in the stream's queue of readers, so that nobody reads what
//! comes behind them before they are used up or given back. Invariant: dropped on whatever thread,
//! the bytes go back first and the place is left after that.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::recv::{Place, Queue};
use super::stream::{Socket, give_back};
use crate::buf::Lease;

/// A prefix of the stream, in somebody's hands.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    socket: &'a Socket,
    bytes: Option<Lease>,
    place: Place,
}

impl<'a> Held<'a> {
    pub(crate) fn new(socket: &'a Socket) -> Self {
        Self { socket, bytes: None, place: Place::new(&socket.owned, Queue::Received) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(&[])
    }

    /// Waits for more bytes and appends them. False at the end of the stream.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// As [`fill`](Self::fill), for who looks at something else as well.
    #[inline]
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let more = ready!(self.place.poll_holding(cx));
        if self.bytes.is_none() && !matches!(more, Ok(Some(_))) {
            self.place.leave();
        }
        let Some(more) = more? else {
            return Poll::Ready(Ok(false));
        };
        self.bytes = Some(match self.bytes.take() {
            None => more,
            Some(bytes) => bytes.joined(&more),
        });
        Poll::Ready(Ok(true))
    }

    /// Uses up the first `n` bytes.
    pub(crate) fn consume(&mut self, n: usize) {
        match &mut self.bytes {
            Some(bytes) => bytes.advance(n),
            None => assert_eq!(n, 0, "consume({n}) with nothing to consume"),
        }
        if self.bytes().is_empty() {
            self.bytes = None;
            self.place.leave();
        }
    }

    /// Gives up what is left.
    pub(crate) fn discard(&mut self) {
        self.bytes = None;
        self.place.leave();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(rest) = self.bytes.take() {
            give_back(self.socket.owned.handle(), rest);
        }
    }
}
