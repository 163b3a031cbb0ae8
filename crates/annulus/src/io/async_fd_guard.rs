//! What a wait for readiness gives: the descriptor, and what was seen.
//!
//! Owns: the guards, which clear what they have seen when it is over. Invariant: a guard clears
//! nothing on its own; dropping it keeps the readiness.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use super::{AsyncFd, Events, Ready};

/// What [`AsyncFdReadyGuard::try_io`] says if the descriptor was not ready after all.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor was not ready, although it had been reported to be")
    }
}

impl std::error::Error for TryIoError {}

/// A descriptor that was seen to be ready.
///
/// Dropping it keeps the readiness: the next wait ends at once. It is over when
/// [`try_io`](Self::try_io) has met `WouldBlock`, or when [`clear_ready`](Self::clear_ready) says
/// so.
#[must_use = "the readiness stays until it is used up or cleared"]
pub struct AsyncFdReadyGuard<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    seen: Option<(u32, u32)>,
}

/// As [`AsyncFdReadyGuard`], and lends what is inside for writing to.
#[must_use = "the readiness stays until it is used up or cleared"]
pub struct AsyncFdReadyMutGuard<'a, T: AsFd> {
    fd: &'a mut AsyncFd<T>,
    seen: Option<(u32, u32)>,
}

macro_rules! guard {
    ($guard:ident, $inner:ty) => {
        impl<'a, T: AsFd> $guard<'a, T> {
            pub(super) fn new(fd: $inner, seen: (u32, u32)) -> Self {
                Self { fd, seen: Some(seen) }
            }

            /// What was seen.
            pub fn ready(&self) -> Ready {
                Events::from_bits(self.seen.map_or(0, |(ready, _)| ready))
            }

            /// Says that it is over: the next wait waits for a report. Call it only if an attempt
            /// met `WouldBlock`, or the wait may never end.
            ///
            /// The end of a direction is never over, and what was reported since stays.
            pub fn clear_ready(&mut self) {
                if let Some(seen) = self.seen.take() {
                    self.fd.clear(Events::from_bits(seen.0), seen);
                }
            }

            /// As [`clear_ready`](Self::clear_ready), for some of what was seen.
            pub fn clear_ready_matching(&mut self, ready: Ready) {
                if let Some(seen) = &mut self.seen {
                    self.fd.clear(ready, *seen);
                    seen.0 &= !ready.bits();
                }
            }

            /// Says that it is not over, as dropping the guard does.
            pub fn retain_ready(&mut self) {}

            /// The descriptor with its watch.
            pub fn get_ref(&self) -> &AsyncFd<T> {
                self.fd
            }

            /// What is watched.
            pub fn get_inner(&self) -> &T {
                self.fd.get_ref()
            }
        }

        impl<T: AsFd + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (fd, ready) = (&self.fd, self.ready());
                f.debug_struct(stringify!($guard)).field("fd", fd).field("ready", &ready).finish()
            }
        }
    };
}

guard!(AsyncFdReadyGuard, &'a AsyncFd<T>);
guard!(AsyncFdReadyMutGuard, &'a mut AsyncFd<T>);

impl<'a, T: AsFd> AsyncFdReadyGuard<'a, T> {
    /// Runs `io`. If it says `WouldBlock`, the readiness is over.
    ///
    /// # Errors
    /// That it would have blocked; what else `io` says is inside.
    pub fn try_io<R>(
        &mut self,
        io: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match io(self.fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }
}

impl<T: AsFd> AsyncFdReadyMutGuard<'_, T> {
    /// Runs `io`. If it says `WouldBlock`, the readiness is over.
    ///
    /// # Errors
    /// That it would have blocked; what else `io` says is inside.
    pub fn try_io<R>(
        &mut self,
        io: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match io(self.fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// What is watched.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.fd.get_mut()
    }
}
