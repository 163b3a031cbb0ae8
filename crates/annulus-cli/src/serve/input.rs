//! The bytes that a connection has received and not yet used.
//!
//! Bytes stay in the buffer that the kernel put them into (the *lease*) as long as one lease holds
//! everything; they are copied only when a request continues in the next lease, or when the lease
//! must go back because its connection will be busy for long.
//!
//! ```text
//!            feed, nothing left           feed, something left
//!   empty ────────────────────> leased ────────────────────────> carried ──┐ feed
//!     ^                            │ consume all                    │  ^───┘
//!     └────────────────────────────┴────────────────────────────────┘
//! ```

use std::ops::Deref;

/// What was received and not yet used; `L` is a lease of a receive buffer.
pub struct Input<L> {
    held: Held<L>,
    /// How much of what is held was used.
    used: usize,
    /// Whether the bytes may hold more heads than when they were last looked at.
    fresh: bool,
}

enum Held<L> {
    Leased(L),
    Carried(Vec<u8>),
}

impl<L: Deref<Target = [u8]>> Input<L> {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self { held: Held::Carried(Vec::new()), used: 0, fresh: false }
    }

    /// The unused bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Leased(lease) => &lease[self.used..],
            Held::Carried(bytes) => &bytes[self.used..],
        }
    }

    /// Whether every byte was used.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Adds what was just received.
    pub fn feed(&mut self, lease: L) {
        if self.is_empty() {
            self.held = Held::Leased(lease);
            self.used = 0;
            self.fresh = true;
            return;
        }
        // A head, even a broken one, is decided at the end of a line: without one there is nothing
        // new to see, and a client that sends byte by byte does not have its head read each time.
        self.fresh |= lease.contains(&b'\n');
        self.carry(lease.len()).extend_from_slice(&lease);
    }

    /// Uses the first `count` bytes up.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.bytes().len(), "more was used than was received");
        self.used += count;
        self.fresh = true;
        if self.is_empty() {
            // The lease goes back now, and an idle connection holds no memory.
            self.held = Held::Carried(Vec::new());
            self.used = 0;
        }
    }

    /// Whether to look at the bytes again: since the last `false`, a line has ended or bytes were
    /// used, or `limit` is reached. Asking answers for what is there now.
    pub fn worth_parsing(&mut self, limit: usize) -> bool {
        let worth = !self.is_empty() && (self.fresh || self.bytes().len() >= limit);
        self.fresh = false;
        worth
    }

    /// Uses up the line ends before a request, which some clients send after a body.
    pub fn skip_line_ends(&mut self) {
        let is_end = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
        let count = self.bytes().iter().take_while(is_end).count();
        if count > 0 {
            self.consume(count);
        }
    }

    /// Gives the lease back, keeping a copy of what is unused.
    pub fn park(&mut self) {
        if matches!(self.held, Held::Leased(_)) {
            self.carry(0);
        }
    }

    /// The unused bytes as a vector with room for `more`.
    fn carry(&mut self, more: usize) -> &mut Vec<u8> {
        if self.used > 0 || matches!(self.held, Held::Leased(_)) {
            let mut bytes = Vec::with_capacity(self.bytes().len() + more);
            bytes.extend_from_slice(self.bytes());
            self.held = Held::Carried(bytes);
            self.used = 0;
        }
        match &mut self.held {
            Held::Carried(bytes) => bytes,
            Held::Leased(_) => unreachable!("a lease was just exchanged for its copy"),
        }
    }
}

#[cfg(test)]
mod tests;
