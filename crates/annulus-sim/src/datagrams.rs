//! A socket that keeps messages apart: what it was sent, and whom it is connected to.
//!
//! Owns: the messages under way to one socket, and the error that waits for it. Does not own: who
//! waits for them (the machine does), nor sending (`op/messages`). Mirrors udp(7), and unix(7) for
//! `SOCK_DGRAM`.
//!
//! | sent to | UDP | a Unix socket |
//! |---|---|---|
//! | a socket with room | is there at once | is there at once |
//! | a full one | is lost | the sender waits |
//! | nobody | is lost; a connected sender is told by its next call | ECONNREFUSED |
//! | one that is connected to somebody else | as if nobody was there | EPERM |

use std::collections::VecDeque;

use crate::files::Id;

/// Messages that a socket keeps before it is full.
const LIMIT: usize = 64;

/// A message under way.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    /// The sender's address; empty if it has none.
    pub(crate) from: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// Whom a socket is connected to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Peer {
    /// Whoever has this address.
    Address(Vec<u8>),
    /// The other of a pair.
    Socket(Id),
}

/// What a socket of messages has.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: VecDeque<Datagram>,
    pub(crate) peer: Option<Peer>,
    /// What the network has told of an earlier message.
    pub(crate) error: Option<i32>,
}

impl Mailbox {
    pub(crate) fn connected(peer: Id) -> Self {
        Self { peer: Some(Peer::Socket(peer)), ..Self::default() }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= LIMIT
    }

    /// Whether a receive would not wait.
    pub(crate) fn has_news(&self) -> bool {
        self.error.is_some() || !self.waiting.is_empty()
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Puts a message before so many that came earlier.
    pub(crate) fn put(&mut self, message: Datagram, before: usize) {
        let at = self.waiting.len().saturating_sub(before);
        self.waiting.insert(at, message);
    }

    /// The next message, or the error that comes before it.
    pub(crate) fn take(&mut self) -> Result<Option<Datagram>, i32> {
        match self.error.take() {
            Some(errno) => Err(errno),
            None => Ok(self.waiting.pop_front()),
        }
    }

    /// The next message, which stays.
    pub(crate) fn peek(&self) -> Option<&Datagram> {
        self.waiting.front()
    }
}
