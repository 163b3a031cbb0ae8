//! A connection in memory.
//!
//! Owns: the bytes on their way in both directions. Does not own: anything of the kernel.
//!
//! Invariants: at most so many bytes as were asked for wait in one direction; one reader and one
//! writer of a direction are woken, the last to have waited.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{AsyncRead, AsyncWrite};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut};

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
        poll_fn(|cx| {
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
        })
        .await
    }

    /// Waits for room, and gives how many bytes were taken.
    async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut pipe = self.lock();
            if pipe.deaf || pipe.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let taken = (self.room - pipe.bytes.len()).min(bytes.len());
            if taken == 0 && !bytes.is_empty() {
                return wait(&mut pipe.writer, cx);
            }
            pipe.bytes.extend(&bytes[..taken]);
            let reader = pipe.reader.take();
            drop(pipe);
            wake(reader);
            Poll::Ready(Ok(taken))
        })
        .await
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
        self.outgoing.change(|pipe| pipe.ended = true);
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
        self.outgoing.change(|pipe| pipe.ended = true);
        self.incoming.change(|pipe| {
            pipe.deaf = true;
            pipe.bytes = VecDeque::new();
        });
    }
}
