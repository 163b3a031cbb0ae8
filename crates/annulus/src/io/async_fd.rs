//! A descriptor that is waited for until it is readable or writable.
//!
//! Owns: [`AsyncFd`], which keeps what the kernel has reported until somebody finds that it is
//! over. Does not own: the reports (`core/watch`).
//!
//! Invariants: readiness is only ever cleared by who has seen it, and not if a report came since;
//! the ends of the directions are never cleared, because they are reported once.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::async_fd_guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard};
use super::{Events, Interest};
use crate::core::Owned;
use crate::core::record::Kind;
use crate::core::watch::{Mode, Watch};
use crate::net::{Place, Queue};

/// Any descriptor that can be polled, with waits until it is ready: what `tokio::io::unix::AsyncFd`
/// is, under the same names.
///
/// The descriptor should be nonblocking. After [`readable`](Self::readable) has given a guard,
/// [`AsyncFdReadyGuard::try_io`] does what the descriptor is for, and notes if that would have
/// blocked after all:
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use std::io::{Read as _, Write as _};
/// use annulus::io::AsyncFd;
///
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let ours = AsyncFd::new(ours)?;
/// theirs.write_all(b"hello")?;
///
/// let mut buf = [0; 64];
/// let n = loop {
///     let mut guard = ours.readable().await?;
///     match guard.try_io(|inner| inner.get_ref().read(&mut buf)) {
///         Ok(result) => break result?,
///         Err(_would_block) => continue,
///     }
/// };
/// assert_eq!(&buf[..n], b"hello");
/// # Ok(())
/// # }
/// ```
///
/// What is inside is yours all the time. What is watched is a duplicate of its descriptor, so no
/// request can meet another file under its number; that costs one descriptor. Anything that is
/// [`AsFd`] will do; a bare number is not.
///
/// # Kernel
/// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. The kernel hears of it with the turn's
/// submission. Files that cannot be polled (regular ones) are always ready.
pub struct AsyncFd<T: AsFd> {
    inner: T,
    owned: Owned,
    /// For `poll_read_ready` and `poll_write_ready`, which remember one waker each.
    places: Mutex<[Place; 2]>,
}

impl<T: AsFd> AsyncFd<T> {
    /// Watches for both directions.
    ///
    /// # Errors
    /// Those of dup(2): `EMFILE`; if no runtime runs on this thread.
    pub fn new(inner: T) -> io::Result<Self> {
        Self::with_interest(inner, Events::READABLE | Events::WRITABLE)
    }

    /// Watches for some events. Waiting for others never ends but by an error or the end.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        let fd = inner.as_fd().try_clone_to_owned()?;
        let watch = Watch::new(watched(interest).bits(), Mode::Kept);
        let owned = Owned::adopt_fd(fd, Kind::Watch(watch))?;
        let places = Mutex::new([0, 1].map(|_| Place::new(&owned, Queue::Watched)));
        // So that `try_io` knows something before anybody has waited.
        owned.with(|state, key| state.arm_watch(key))?;
        Ok(Self { inner, owned, places })
    }

    /// Watches for other events from now on; what was seen and is none of them is forgotten.
    ///
    /// # Errors
    /// Use on a foreign core.
    #[doc(alias = "EPOLL_CTL_MOD")]
    pub fn set_interest(&self, interest: Interest) -> io::Result<()> {
        let events = watched(interest).bits();
        self.owned.with(|state, key| state.watch_events(key, events))?
    }

    /// What is watched.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What is watched.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Ends the watch and gives back what was watched.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Waits until a read would not wait: there are bytes, the end, or an error.
    ///
    /// # Errors
    /// Those of the poll; use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: it is as ready as it was.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// std::io::Write::write_all(&mut &theirs, b"hello")?;
    /// let mut guard = ours.readable().await?;
    /// guard.clear_ready();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Events::READABLE).await
    }

    /// As [`readable`](Self::readable), with a guard that lends what is inside for writing to.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: it is as ready as it was.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// std::io::Write::write_all(&mut &theirs, b"hello")?;
    /// let mut guard = ours.readable_mut().await?;
    /// let inner: &mut UnixStream = guard.get_inner_mut();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Events::READABLE).await
    }

    /// Waits until a write would not wait: there is room, or an error.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: it is as ready as it was.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// let guard = ours.writable().await?;
    /// std::io::Write::write_all(&mut guard.get_inner(), b"hello")?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Events::WRITABLE).await
    }

    /// As [`writable`](Self::writable), with a guard that lends what is inside for writing to.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: it is as ready as it was.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// let mut guard = ours.writable_mut().await?;
    /// std::io::Write::write_all(guard.get_inner_mut(), b"hello")?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn writable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Events::WRITABLE).await
    }

    /// Waits until it is ready for one of `interest`.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: it is as ready as it was.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// let guard = ours.ready(Interest::READABLE | Interest::WRITABLE).await?;
    /// assert!(guard.ready().contains(Interest::WRITABLE));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let seen = self.seen(interest).await?;
        Ok(AsyncFdReadyGuard::new(self, seen))
    }

    /// As [`ready`](Self::ready), with a guard that lends what is inside for writing to.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: it is as ready as it was.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// let mut guard = ours.ready_mut(Interest::WRITABLE).await?;
    /// guard.clear_ready();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready_mut(
        &mut self,
        interest: Interest,
    ) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let seen = self.seen(interest).await?;
        Ok(AsyncFdReadyMutGuard::new(self, seen))
    }

    /// Waits until it is ready and tries `io`, again and again until it does not say `WouldBlock`.
    ///
    /// # Errors
    /// Those of `io`; as [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: `io` has not run, or would have blocked.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request serves any number of
    /// waits.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::io::{AsyncFd, Interest};
    /// # use std::os::unix::net::UnixStream;
    /// # let (ours, theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # let mut ours = AsyncFd::new(ours)?;
    /// use std::io::Write as _;
    ///
    /// let n = ours.async_io(Interest::WRITABLE, |mut inner| inner.write(b"hello")).await?;
    /// assert_eq!(n, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut io: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let mut guard = self.ready(interest).await?;
            if let Ok(result) = guard.try_io(|this| io(this.get_ref())) {
                return result;
            }
        }
    }

    /// Tries `io` if it is known to be ready, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if it is not known to be, or if `io` says so; those of `io`.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        io: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let wanted = wanted(interest).bits();
        let known = self.owned.with(|state, key| state.watch_known(key, wanted))?;
        let Some(seen) = known else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut guard = AsyncFdReadyGuard::new(self, seen);
        guard
            .try_io(|this| io(this.get_ref()))
            .unwrap_or_else(|_| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Whether a read would not wait; else the task is woken when that changes. One task at a time
    /// is remembered.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn poll_read_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        self.poll_place(cx, 0, Events::READABLE)
    }

    /// As [`poll_read_ready`](Self::poll_read_ready), for a write.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn poll_write_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        self.poll_place(cx, 1, Events::WRITABLE)
    }

    fn poll_place<'a>(
        &'a self,
        cx: &mut Context<'_>,
        which: usize,
        interest: Interest,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = poll_seen(&mut places[which], cx, interest);
        polled.map(|seen| Ok(AsyncFdReadyGuard::new(self, seen?)))
    }

    async fn seen(&self, interest: Interest) -> io::Result<(u32, u32)> {
        let mut place = Place::new(&self.owned, Queue::Watched);
        poll_fn(|cx| poll_seen(&mut place, cx, interest)).await
    }

    /// What was seen is over, unless there was a report since.
    pub(super) fn clear(&self, events: Events, (_, reports): (u32, u32)) {
        let ends = Events::READ_HANG_UP | Events::HANG_UP;
        let bits = events.without(ends).bits();
        // On a foreign core nothing was seen that could be over.
        let _ = self.owned.with(|state, key| state.clear_watch(key, bits, reports));
    }
}

fn poll_seen(
    place: &mut Place,
    cx: &mut Context<'_>,
    interest: Interest,
) -> Poll<io::Result<(u32, u32)>> {
    let wanted = wanted(interest).bits();
    let polled =
        place.poll(cx, |state, key, waiter, waker| state.poll_kept((key, wanted), waiter, waker));
    match polled {
        Ok(poll) => poll,
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// What ends a wait for `interest`.
fn wanted(interest: Interest) -> Events {
    let mut wanted = interest | Events::ERROR;
    if interest.intersects(Events::READABLE | Events::PRIORITY) {
        wanted |= Events::READ_HANG_UP | Events::HANG_UP;
    }
    if interest.contains(Events::WRITABLE) {
        wanted |= Events::HANG_UP;
    }
    wanted
}

/// What the kernel is asked for.
fn watched(interest: Interest) -> Events {
    if interest.contains(Events::READABLE) { interest | Events::READ_HANG_UP } else { interest }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish_non_exhaustive()
    }
}
