//! A stream for code that polls.
//!
//! Owns: a place in each of a stream's queues, for as long as the poller likes. Does not own: the
//! stream, nor any byte: what arrives stays in the record until a poll takes it, and what a poll
//! has taken for sending is the record's. So dropping it at any time loses nothing.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use annulus_task::coop;

use super::recv::{Place, Queue};
use super::stream::flatten;
use crate::buf::Lease;
use crate::core::Owned;

/// One reader and one writer of a stream that are polled, for traits whose methods are: those of
/// tokio, of futures and of hyper. Made by [`TcpStream::polled`](super::TcpStream::polled).
///
/// It names its stream and does not borrow it, so both can lie in one structure; when the stream is
/// gone, its methods give an error. Nothing is borrowed from the caller beyond a poll.
///
/// A poll of reading that was pending keeps its place among the readers of the stream until a later
/// one is ready, or this is dropped.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::UnixStream;
/// use std::future::poll_fn;
/// use std::io::IoSlice;
///
/// let (left, right) = UnixStream::pair()?;
/// let (mut writer, mut reader) = (left.polled(), right.polled());
/// let pieces = [IoSlice::new(b"hel"), IoSlice::new(b"lo")];
/// assert_eq!(poll_fn(|cx| writer.poll_write(cx, &pieces)).await?, 5);
/// poll_fn(|cx| writer.poll_flush(cx)).await?;
/// let lease = poll_fn(|cx| reader.poll_recv(cx)).await?.expect("five bytes are there");
/// assert_eq!(&*lease, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Polled {
    received: Place,
    room: Place,
}

impl Polled {
    pub(super) fn new(owned: &Owned) -> Self {
        Self { received: Place::new(owned, Queue::Received), room: Place::new(owned, Queue::Room) }
    }

    /// The next bytes, leased where the kernel put them; `None` at the end of the stream.
    ///
    /// # Errors
    /// As [`TcpStream::recv`](super::TcpStream::recv).
    ///
    /// # Kernel
    /// As [`TcpStream::recv`](super::TcpStream::recv).
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        self.received.poll_lease(cx)
    }

    /// Takes as many of the bytes as there is room for into the send queue, and gives how many that
    /// were; waits for room if there is none. They are sent at the end of the turn, together with
    /// others queued in it, whatever becomes of this.
    ///
    /// Room is what is left of [`send_high_bytes`](crate::runtime::Builder::send_high_bytes).
    ///
    /// # Errors
    /// The error of an earlier send that failed, `BrokenPipe` after the direction was shut down.
    ///
    /// # Kernel
    /// `SEND` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.6; inline if the socket has room, else
    /// polled.
    #[inline]
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(coop::poll_proceed(cx));
        let polled = self
            .room
            .poll(cx, |state, key, waiter, who| state.poll_queue(key, bufs, (waiter, who)));
        let taken = ready!(flatten(polled));
        coop::made_progress();
        Poll::Ready(taken)
    }

    /// Waits until there is room for a byte: [`TcpStream::send_nowait`] then takes all that it is
    /// given, be it more than there is room for.
    ///
    /// For whoever has to know that before the bytes exist: records of TLS are numbered as they are
    /// encrypted, so what was encrypted has to be sent.
    ///
    /// # Errors
    /// The error of an earlier send that failed.
    ///
    /// [`TcpStream::send_nowait`]: super::TcpStream::send_nowait
    #[inline]
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(coop::poll_proceed(cx));
        let polled = self.room.poll(cx, |state, key, waiter, waker| {
            let bytes_max = state.send_high_bytes - 1;
            state.poll_room((key, bytes_max), waiter, waker)
        });
        let room = ready!(flatten(polled));
        coop::made_progress();
        Poll::Ready(room)
    }

    /// Waits until everything that was taken has been given to the kernel's socket.
    ///
    /// # Errors
    /// The error of a send that failed.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled =
            self.room.poll(cx, |state, key, waiter, who| state.poll_room((key, 0), waiter, who));
        flatten(polled)
    }
}
