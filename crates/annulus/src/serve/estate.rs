//! What a server has that a successor would take over, and whose it is.
//!
//! Owns: whose it is, for the thread that talks to a successor and the cores that stop, which come
//! in any order. Does not own: the conversation (`handover`), the sockets by which cores accept.
//!
//! ```text
//!        offer              settle(Ok)
//!   Held ────────> Offered ──────────────────> Bequeathed
//!    │  <────────     │                            ^
//!    │ settle(Err)    └────────── let_go ──────────┘
//!    │
//!    └─ let_go ──> Closed
//! ```
//!
//! | | the server is stopped | files of Unix sockets |
//! |---|---|---|
//! | `Held` | nobody comes after it | are removed |
//! | `Offered` | the successor has everything, and is left alone with it | stay |
//! | `Bequeathed`, `Closed` | | are not here any more |
//!
//! Invariant: of a server and its successor exactly one removes the files, and each knows which. A
//! successor that was left alone and dies before it accepts leaves them as any process does that
//! dies: the next server there replaces them.

use std::os::fd::OwnedFd;

use super::handover::HandOver;
use super::listen::{Kept, KeptSocket};
use super::packets::{Cut, described};
use crate::net::SocketFile;

/// What a successor would take over.
#[derive(Debug)]
pub(super) enum Estate {
    /// It is this server's alone.
    Held(Kept),
    /// A successor has it as well, and may say at any moment that it accepts.
    Offered(Kept),
    /// It is a successor's, which was ready, or was left alone with it.
    Bequeathed(HandOver),
    /// It is nobody's: the server was stopped.
    Closed,
}

impl Estate {
    /// The packet of each socket, and a duplicate, so that nothing is locked while a successor
    /// takes its time.
    ///
    /// # Errors
    /// That of the kernel; `Stopped` if it is not this server's alone.
    pub(super) fn copies(&self) -> Result<Vec<(Vec<u8>, OwnedFd)>, Cut> {
        let Self::Held(kept) = self else { return Err(Cut::Stopped) };
        let copy = |kept: &KeptSocket| Ok((described(kept), kept.fd.try_clone()?));
        kept.sockets.iter().map(copy).collect()
    }

    /// A successor is told that it has everything, and has it from then on.
    ///
    /// # Errors
    /// What kept it from being told; `Stopped` if the server was stopped before. Nothing has
    /// changed then.
    pub(super) fn offer(&mut self, tell: impl FnOnce() -> Result<(), Cut>) -> Result<(), Cut> {
        let (next, told) = match self.take() {
            Self::Held(kept) => match tell() {
                Ok(()) => (Self::Offered(kept), Ok(())),
                Err(cut) => (Self::Held(kept), Err(cut)),
            },
            other => (other, Err(Cut::Stopped)),
        };
        *self = next;
        told
    }

    /// The conversation with a successor has ended: it is ready, or something came in between. How
    /// this server ends because of it.
    ///
    /// # Errors
    /// What came in between, if this server goes on.
    pub(super) fn settle(&mut self, said: Result<(), Cut>) -> Result<HandOver, Cut> {
        let (next, how) = match (self.take(), said) {
            (Self::Held(kept) | Self::Offered(kept), Err(cut)) => (Self::Held(kept), Err(cut)),
            (Self::Held(kept) | Self::Offered(kept), Ok(())) => {
                leave(kept);
                (Self::Bequeathed(HandOver::Taken), Ok(HandOver::Taken))
            }
            (Self::Bequeathed(_), Ok(())) => {
                (Self::Bequeathed(HandOver::Taken), Ok(HandOver::Taken))
            }
            (Self::Bequeathed(how), Err(_)) => (Self::Bequeathed(how), Ok(how)),
            (Self::Closed, _) => (Self::Closed, Ok(HandOver::Stopped)),
        };
        *self = next;
        how
    }

    /// The server takes no more connections. What is left goes when it is dropped.
    pub(super) fn let_go(&mut self) -> Option<Kept> {
        let (next, left) = match self.take() {
            Self::Held(kept) => (Self::Closed, Some(kept)),
            Self::Offered(kept) => {
                leave(kept);
                (Self::Bequeathed(HandOver::Left), None)
            }
            other => (other, None),
        };
        *self = next;
        left
    }

    /// A predecessor has let go of this file. Gives it back if this server has ended meanwhile.
    pub(super) fn inherit(&mut self, file: SocketFile) -> Option<SocketFile> {
        match self {
            Self::Held(kept) | Self::Offered(kept) => kept.files.push(file),
            Self::Closed => return Some(file),
            Self::Bequeathed(_) => file.leave(),
        }
        None
    }

    /// How it ended, if the server was stopped or has a successor.
    pub(super) fn over(&self) -> Option<HandOver> {
        match self {
            Self::Held(_) | Self::Offered(_) => None,
            Self::Bequeathed(how) => Some(*how),
            Self::Closed => Some(HandOver::Stopped),
        }
    }

    /// For a moment, it is nobody's.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Closed)
    }
}

/// Somebody else listens there: the files stay.
fn leave(kept: Kept) {
    kept.files.into_iter().for_each(SocketFile::leave);
}

#[cfg(test)]
mod tests;
