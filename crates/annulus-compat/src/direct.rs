//! A socket or a pipe that is read and written by system calls.
//!
//! Owns: the descriptor, and a watch of each direction that has once found nothing to do. Does not
//! own: a buffer, ever. Invariant: a direction waits only after a call that gave `WouldBlock`, and
//! the watch reports what happened after it was armed, so no change is missed.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus::io::{Events, Readiness};
use annulus::task::coop;
use futures_core::Stream as _;
use rustix::net::Shutdown;

/// A nonblocking socket or pipe as `AsyncRead` and `AsyncWrite` of tokio and of futures.
///
/// Each poll makes the system call at once, with the caller's buffer, and waits by the ring when it
/// would block. Nothing is copied, nothing is written behind: flushing does nothing, and an error
/// belongs to the call that it came from. Shutting down ends the sending direction of a socket; a
/// pipe's ends when it is dropped.
///
/// Compare with [`Buffered`](crate::Buffered), which makes fewer system calls. A stream of Annulus
/// becomes one of `std` with [`into_std`](annulus::net::TcpStream::into_std).
///
/// # Errors
/// Those of read(2) and write(2).
///
/// # Kernel
/// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request for each direction that has
/// had to wait, with a duplicate of the descriptor.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus_compat::Direct;
/// use std::os::unix::net::UnixStream;
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
///
/// let (left, right) = UnixStream::pair()?;
/// let (mut left, mut right) = (Direct::new(left)?, Direct::new(right)?);
/// left.write_all(b"hello").await?;
/// left.shutdown().await?;
/// let mut all = Vec::new();
/// right.read_to_end(&mut all).await?;
/// assert_eq!(all, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Direct<T> {
    io: T,
    readable: Option<Readiness>,
    writable: Option<Readiness>,
}

impl<T: AsFd> Direct<T> {
    /// Wraps a socket or a pipe, and makes it nonblocking.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn new(io: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Self { io, readable: None, writable: None })
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// What was wrapped, nonblocking as it is.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Reads into the buffer, and gives how many bytes; 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Read,
    {
        let Self { io, readable, .. } = self;
        attempt(cx, io.as_fd(), (readable, Events::READABLE), || (&*io).read(buf))
    }

    /// Writes from the buffers, and gives how many bytes were taken.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Write,
    {
        let Self { io, writable, .. } = self;
        attempt(cx, io.as_fd(), (writable, Events::WRITABLE), || match bufs {
            [buf] => (&*io).write(buf),
            bufs => (&*io).write_vectored(bufs),
        })
    }

    /// Ends the sending direction of a socket.
    ///
    /// # Errors
    /// Those of shutdown(2), but for a connection that is gone already and for what is no socket.
    pub fn end(&mut self) -> io::Result<()> {
        match rustix::net::shutdown(&self.io, Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN | rustix::io::Errno::NOTSOCK) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Calls until the call does not block, or the descriptor has to be waited for.
fn attempt<R>(
    cx: &mut Context<'_>,
    fd: BorrowedFd<'_>,
    (watch, events): (&mut Option<Readiness>, Events),
    mut call: impl FnMut() -> io::Result<R>,
) -> Poll<io::Result<R>> {
    ready!(coop::poll_proceed(cx));
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => {
                coop::made_progress();
                return Poll::Ready(done);
            }
        }
        let watch = match watch {
            Some(watch) => watch,
            None => watch.insert(Readiness::new(fd.try_clone_to_owned()?, events)?),
        };
        if let Some(Err(error)) = ready!(Pin::new(watch).poll_next(cx)) {
            return Poll::Ready(Err(error));
        }
    }
}
