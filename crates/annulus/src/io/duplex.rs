//! A connection in memory.
//!
//! Owns: the bytes on their way in both directions. Does not own: anything of the kernel.
//!
//! Invariants: at most so many bytes as were asked for wait in one direction; one reader and one
//! writer of a direction are woken, the last to have waited.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{AsyncRead, AsyncWrite};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, Lease};

/// Two ends of a connection in memory, for tests and for protocols inside of others. In each
/// direction `bytes` bytes can wait.
///
/// Its ends may be used on different cores and threads. Dropping one is the end of the stream for
/// the other, whose writes fail with `BrokenPipe`.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::io::{AsyncRead, AsyncWrite, duplex};
///
/// let (mut client, mut server) = duplex(64);
/// client.write_all("ping").await?;
/// client.shutdown().await?;
/// let (_, request) = server.read_to_string(String::new()).await?;
/// assert_eq!(request, "ping");
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If `bytes` is 0.
#[must_use]
pub fn duplex(bytes: usize) -> (DuplexStream, DuplexStream) {
    assert!(bytes > 0, "a connection has room for a byte");
    let [there, back] = [0, 1].map(|_| Arc::new(Direction::new(bytes)));
    let left = DuplexStream { incoming: Arc::clone(&back), outgoing: Arc::clone(&there) };
    (left, DuplexStream { incoming: there, outgoing: back })
}

/// One end of a connection in memory, made by [`duplex`].
#[derive(Debug)]
pub struct DuplexStream {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
}

impl DuplexStream {
    /// The next piece, copied, and `None` at the end of the stream; for code that polls.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Lease>> {
        let copy = |bytes: &[u8]| (bytes.len(), bytes.to_vec());
        let piece = self.incoming.poll_receive(cx, &mut Some(copy));
        piece.map(|piece| (!piece.is_empty()).then(|| Lease::from(piece)))
    }

    /// Takes as many of the bytes as there is room for, and gives how many; for code that polls.
    ///
    /// # Errors
    /// `BrokenPipe` if the other end is gone, or this direction was ended.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_send(cx, bufs)
    }

    /// Waits until there is room for a byte; for code that polls.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_room(cx)
    }

    /// Takes all of the bytes at once, be it more than there is room for.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write); `WouldBlock` if there is no room at all, and nothing
    /// was taken.
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.outgoing.send_nowait(bytes)
    }

    /// Whether [`send_nowait`](Self::send_nowait) has room for a byte. It has, too, where that
    /// would fail for another reason.
    pub fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    /// Says that nothing more will be written.
    pub fn end(&self) {
        self.outgoing.change(|pipe| pipe.ended = true);
    }
}

#[derive(Debug)]
struct Direction {
    pipe: Mutex<Pipe>,
    room: usize,
}

#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// Nothing more will be written.
    ended: bool,
    /// Nobody will read.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn new(room: usize) -> Self {
        Self { pipe: Mutex::default(), room }
    }

    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a byte or the end, and gives what `take` makes of the bytes that lie in one piece.
    async fn receive<T>(&self, take: impl FnOnce(&[u8]) -> (usize, T)) -> T {
        let mut take = Some(take);
        poll_fn(|cx| self.poll_receive(cx, &mut take)).await
    }

    fn poll_receive<T, F>(&self, cx: &mut Context<'_>, take: &mut Option<F>) -> Poll<T>
    where
        F: FnOnce(&[u8]) -> (usize, T),
    {
        let mut pipe = self.lock();
        if pipe.bytes.is_empty() && !pipe.ended {
            return wait(&mut pipe.reader, cx);
        }
        let take = take.take().expect("a future is not polled after its end");
        let (taken, result) = take(pipe.bytes.as_slices().0);
        pipe.bytes.drain(..taken);
        let writer = pipe.writer.take();
        drop(pipe);
        wake(writer);
        Poll::Ready(result)
    }

    /// Waits for room, and gives how many bytes were taken.
    async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send(cx, &[IoSlice::new(bytes)])).await
    }

    fn poll_send(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut pipe = self.lock();
        if pipe.deaf || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = self.room.saturating_sub(pipe.bytes.len());
        if room == 0 && bufs.iter().any(|buf| !buf.is_empty()) {
            return wait(&mut pipe.writer, cx);
        }
        let mut taken = 0;
        for buf in bufs {
            let part = &buf[..buf.len().min(room - taken)];
            pipe.bytes.extend(part);
            taken += part.len();
        }
        let reader = pipe.reader.take();
        drop(pipe);
        wake(reader);
        Poll::Ready(Ok(taken))
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.lock();
        if pipe.deaf || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.bytes.len() >= self.room {
            return wait(&mut pipe.writer, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn has_room(&self) -> bool {
        let pipe = self.lock();
        pipe.deaf || pipe.ended || pipe.bytes.len() < self.room
    }

    fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        let mut pipe = self.lock();
        if pipe.deaf || pipe.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if pipe.bytes.len() >= self.room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.bytes.extend(bytes);
        let reader = pipe.reader.take();
        drop(pipe);
        wake(reader);
        Ok(())
    }

    /// Changes what is known of an end, and tells both.
    fn change(&self, change: impl FnOnce(&mut Pipe)) {
        let mut pipe = self.lock();
        change(&mut pipe);
        let (reader, writer) = (pipe.reader.take(), pipe.writer.take());
        drop(pipe);
        wake(reader);
        wake(writer);
    }
}

fn wait<T>(place: &mut Option<Waker>, cx: &mut Context<'_>) -> Poll<T> {
    *place = Some(cx.waker().clone());
    Poll::Pending
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl AsyncRead for &DuplexStream {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        if let Err(error) = crate::buf::receive_len(&buf) {
            return Err(BufError::new(error, buf));
        }
        let take = move |bytes: &[u8]| {
            let mut buf = buf;
            let n = crate::buf::fill(&mut buf, bytes);
            (n, (n, buf))
        };
        Ok(self.incoming.receive(take).await)
    }
}

impl AsyncWrite for &DuplexStream {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        match self.outgoing.send(buf.as_init()).await {
            Ok(n) => Ok((n, buf)),
            Err(error) => Err(BufError::new(error, buf)),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.end();
        Ok(())
    }
}

impl AsyncRead for DuplexStream {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        (&*self).read(buf).await
    }
}

impl AsyncWrite for DuplexStream {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        (&*self).write(buf).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        (&*self).shutdown().await
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.end();
        self.incoming.change(|pipe| {
            pipe.deaf = true;
            pipe.bytes = VecDeque::new();
        });
    }
}
