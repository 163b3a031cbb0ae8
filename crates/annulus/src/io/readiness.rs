//! A descriptor that is watched.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Events;
use crate::core::Owned;
use crate::core::record::Kind;
use crate::core::watch::{Mode, Watch};
use crate::net::{Place, Queue};

/// A descriptor, and the stream of what it becomes ready for.
///
/// It reports a change, not a state: after an item, read (or write) until `WouldBlock`, then wait
/// for the next. Reports that nobody took are joined into one item, so the stream neither loses
/// any nor grows. It has no end. [`level`](Self::level) makes one that reports states.
///
/// [`AsyncFd`](super::AsyncFd) is the same for who thinks in descriptors that are readable and
/// writable.
///
/// It owns the descriptor, so that no request can meet another file under its number. Give it a
/// duplicate ([`OwnedFd::try_clone`], `try_clone` of the types of `std`) of what is used elsewhere;
/// the original may then be closed at any time. The descriptor should be nonblocking.
///
/// # Errors
/// Items are errors if the descriptor cannot be watched (`POLLNVAL`, EBADF); the stream goes on.
///
/// # Cancel safety
/// Dropping it after any item ends the request and closes the descriptor.
///
/// # Kernel
/// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled. One request for any number of items,
/// armed again when the kernel ends it. Files that cannot be polled (regular ones) are always
/// ready.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use std::io::{ErrorKind, Read as _, Write as _};
/// use annulus::io::{Events, Readiness};
/// use futures_util::TryStreamExt as _;
///
/// let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let mut readiness = Readiness::new(ours.try_clone()?, Events::READABLE)?;
/// theirs.write_all(b"hello")?;
///
/// let events = readiness.try_next().await?.expect("it has no end");
/// assert!(events.contains(Events::READABLE));
/// let mut buf = [0; 64];
/// loop {
///     match ours.read(&mut buf) {
///         Ok(n) => println!("{n} bytes"),
///         Err(error) if error.kind() == ErrorKind::WouldBlock => break,
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "IORING_OP_POLL_ADD")]
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Readiness {
    owned: Owned,
    place: Place,
}

impl Readiness {
    /// Watches a descriptor for `events`. The kernel hears of it at the first poll.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    pub fn new(fd: impl Into<OwnedFd>, events: Events) -> io::Result<Self> {
        Self::in_mode(fd.into(), events, Mode::Edge)
    }

    /// Watches a descriptor for `events`, and reports its state (level-triggered): each item says
    /// what it was ready for when that item was asked for, or became so after. Who reads a part of
    /// what is there gets another item.
    ///
    /// It costs a request for each item.
    ///
    /// # Errors
    /// If no runtime runs on this thread.
    ///
    /// # Kernel
    /// `POLL_ADD`, 5.1, once for each item: there is no multishot poll that reports states
    /// (`IORING_POLL_ADD_LEVEL` is refused).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::io::{Read as _, Write as _};
    /// use annulus::io::{Events, Readiness};
    /// use futures_util::TryStreamExt as _;
    ///
    /// let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let mut readiness = Readiness::level(ours.try_clone()?, Events::READABLE)?;
    /// theirs.write_all(b"hi")?;
    /// for letter in [b'h', b'i'] {
    ///     readiness.try_next().await?; // twice, although it became readable once
    ///     let mut byte = [0];
    ///     ours.read_exact(&mut byte)?;
    ///     assert_eq!(byte[0], letter);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_POLL_ADD_LEVEL")]
    pub fn level(fd: impl Into<OwnedFd>, events: Events) -> io::Result<Self> {
        Self::in_mode(fd.into(), events, Mode::Level)
    }

    fn in_mode(fd: OwnedFd, events: Events, mode: Mode) -> io::Result<Self> {
        let owned = Owned::adopt_fd(fd, Kind::Watch(Watch::new(events.bits(), mode)))?;
        let place = Place::new(&owned, Queue::Watched);
        Ok(Self { owned, place })
    }

    /// Watches for other events from now on. What the descriptor is ready for then is reported, as
    /// when it was new. [`Events::default`] are none: only errors and the end are reported.
    ///
    /// # Errors
    /// Use on a foreign core.
    ///
    /// # Kernel
    /// `ASYNC_CANCEL` of the poll that is armed, 5.5; the next one waits for the new events.
    #[doc(alias = "IORING_POLL_UPDATE_EVENTS")]
    #[doc(alias = "EPOLL_CTL_MOD")]
    pub fn set_events(&mut self, events: Events) -> io::Result<()> {
        self.owned.with(|state, key| state.watch_events(key, events.bits()))?
    }
}

impl Stream for Readiness {
    type Item = io::Result<Events>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled =
            self.place.poll(cx, |state, key, waiter, waker| state.poll_watch(key, waiter, waker));
        match polled {
            Ok(poll) => poll.map(|ready| Some(ready.map(Events::from_bits))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.owned.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.owned.raw_fd()
    }
}
