//! Signals to this process, awaited.
//!
//! [`ctrl_c`] waits for SIGINT once; [`signal`] makes a [`Signal`], which is awaited again and
//! again. Any number of them may listen to one signal, on any core of any runtime: each hears of
//! it.
//!
//! ```no_run
//! # #[annulus::main]
//! # async fn main() -> std::io::Result<()> {
//! use annulus::signal::{SignalKind, signal};
//!
//! let mut hangups = signal(SignalKind::HANGUP)?;
//! let mut terminations = signal(SignalKind::TERMINATE)?;
//! loop {
//!     annulus::select! {
//!         heard = hangups.recv() => { heard?; println!("reading the settings again"); }
//!         heard = terminations.recv() => { heard?; break; }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | what does the signal do from now on? | nothing but this: the first listener replaces the default (SIGINT no longer ends the process), for good |
//! | a handler that was there before? | is called after ours, each time |
//! | a signal that comes while nobody awaits a [`Signal`]? | is given by the next `recv` of each that was made before it came |
//! | several that come meanwhile? | are one: as the kernel itself joins those that it has not delivered |
//! | a signal that is blocked in some threads? | is delivered to another; blocked in all, it waits |
//! | a child process? | begins with the default, unless this process ignores the signal |
//!
//! It costs a handler that counts and writes to an eventfd, a descriptor for each kind of signal
//! until the process ends, and for each listener another one with a poll.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::core::record::Kind;
use crate::core::watch::{Mode, Watch};
use crate::core::{Owned, signals};
use crate::io::Events;
use crate::net::{Place, Queue};

/// The names of `tokio::signal::unix`.
pub mod unix {
    pub use super::{Signal, SignalKind, signal};
}

/// Which signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SignalKind(i32);

macro_rules! kinds {
    ($($name:ident, $lower:ident = $signal:ident, $alias:literal: $text:literal;)*) => {
        impl SignalKind {
            $(
                #[doc = concat!("`", $alias, "`: ", $text, ".")]
                #[doc(alias = $alias)]
                pub const $name: Self = Self(libc::$signal);

                #[doc = concat!("`", $alias, "`: ", $text, ".")]
                #[must_use]
                pub const fn $lower() -> Self {
                    Self::$name
                }
            )*
        }
    };
}

kinds! {
    ALARM, alarm = SIGALRM, "SIGALRM": "a timer of alarm(2) has ended";
    CHILD, child = SIGCHLD, "SIGCHLD": "a child has ended, stopped or gone on";
    HANGUP, hangup = SIGHUP, "SIGHUP":
        "the terminal is gone, or a daemon is to read its settings again";
    INTERRUPT, interrupt = SIGINT, "SIGINT": "Ctrl-C";
    IO, io = SIGIO, "SIGIO": "input or output is possible";
    PIPE, pipe = SIGPIPE, "SIGPIPE": "a write to a pipe that nobody reads";
    QUIT, quit = SIGQUIT, "SIGQUIT": "Ctrl-\\";
    TERMINATE, terminate = SIGTERM, "SIGTERM": "somebody asks the process to end";
    USER_DEFINED1, user_defined1 = SIGUSR1, "SIGUSR1": "whatever a program makes of it";
    USER_DEFINED2, user_defined2 = SIGUSR2, "SIGUSR2": "whatever a program makes of it";
    WINDOW_CHANGE, window_change = SIGWINCH, "SIGWINCH": "the terminal has another size";
}

impl SignalKind {
    /// `SIGKILL`: can be sent ([`Child::signal`](crate::process::Child::signal)), not listened to.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// `SIGSTOP`: can be sent, not listened to.
    pub const STOP: Self = Self(libc::SIGSTOP);
    /// `SIGCONT`: a stopped process goes on.
    pub const CONTINUE: Self = Self(libc::SIGCONT);

    /// By number, real-time signals included; whether there is such a signal is found when it is
    /// used.
    #[must_use]
    pub const fn from_raw(signal: i32) -> Self {
        Self(signal)
    }

    /// Its number.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl From<i32> for SignalKind {
    fn from(signal: i32) -> Self {
        Self(signal)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

/// Begins to listen to a signal, on the current core.
///
/// # Errors
/// `InvalidInput` for what is no signal, and for those that no handler can deal with: SIGKILL,
/// SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE; those of sigaction(2) and eventfd(2); if no runtime
/// runs on this thread.
#[doc(alias = "sigaction")]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    crate::core::with_any(|_| ())?;
    let eventfd = signals::listen(kind.0)?;
    // Before the poll is armed: a signal that comes in between is seen by the count.
    let seen = signals::count(kind.0);
    let watch = Watch::new(Events::READABLE.bits(), Mode::Edge);
    let owned = Owned::adopt_fd(eventfd, Kind::Watch(watch))?;
    let place = Place::new(&owned, Queue::Watched);
    Ok(Signal { kind, seen, place, owned })
}

/// Waits for the next SIGINT: Ctrl-C.
///
/// It listens from its first poll on. Whoever must not miss one that comes before, or between two
/// calls, makes a [`signal`] and keeps it.
///
/// # Errors
/// As [`signal`] and [`Signal::recv`].
///
/// # Cancel safety
/// Dropping the future loses nothing but its place; SIGINT does not end the process any more, even
/// so.
///
/// # Kernel
/// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13, of an eventfd that a handler writes to; polled.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// annulus::signal::ctrl_c().await?;
/// println!("going");
/// # Ok(())
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    signal(SignalKind::INTERRUPT)?.recv().await
}

/// A listener to one signal: a stream of its arrivals, without end.
///
/// # Cancel safety
/// Dropping it after any item ends the request and closes its descriptor.
///
/// # Kernel
/// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13; polled.
#[must_use = "streams do nothing unless polled"]
pub struct Signal {
    kind: SignalKind,
    /// How many there had been when this one last heard of any.
    seen: u64,
    place: Place,
    owned: Owned,
}

impl Signal {
    /// Waits until the signal has come since the last call, or since this listener was made.
    ///
    /// # Errors
    /// Use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses no signal.
    ///
    /// # Kernel
    /// `POLL_ADD` with `IORING_POLL_ADD_MULTI`, 5.13, of an eventfd that a handler writes to;
    /// polled.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::signal::{SignalKind, signal};
    ///
    /// let mut hang_ups = signal(SignalKind::HANGUP)?;
    /// loop {
    ///     hang_ups.recv().await?;
    ///     println!("reading the configuration again");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for futures written by hand.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The count is that of the process: it would be given on any core.
        self.owned.live_fd()?;
        loop {
            let count = signals::count(self.kind.0);
            if count != self.seen {
                self.seen = count;
                return Poll::Ready(Ok(()));
            }
            let polled = self
                .place
                .poll(cx, |state, key, waiter, waker| state.poll_watch(key, waiter, waker));
            // A report without a signal is of one that was counted before, or of a forked child.
            match polled {
                Ok(Poll::Ready(Ok(_events))) => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Err(error))) | Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Which signal it listens to.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.kind
    }
}

impl Stream for Signal {
    type Item = io::Result<()>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).finish_non_exhaustive()
    }
}
