//! What was decrypted and not read.
//!
//! Owns: the bytes, in the memory in which they were decrypted. Invariant: no piece is empty.

use std::collections::VecDeque;
use std::ops::Deref;

use annulus::buf::Lease;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Plain {
    first: Option<Piece>,
    /// Behind the first; there is one.
    more: VecDeque<Piece>,
    len: usize,
}

/// Bytes that lie together.
pub(crate) enum Piece {
    Leased(Lease),
    /// Several, copied together, of which so many are used up.
    Joined(Vec<u8>, usize),
}

impl Plain {
    pub(crate) fn push(&mut self, lease: Lease) {
        if !lease.is_empty() {
            self.len += lease.len();
            self.push_piece(Piece::Leased(lease));
        }
    }

    fn push_piece(&mut self, piece: Piece) {
        match self.first {
            None => self.first = Some(piece),
            Some(_) => self.more.push_back(piece),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The first of them, as many as lie together.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.first.as_deref().unwrap_or_default()
    }

    /// Uses up the first `n` of them.
    pub(crate) fn consume(&mut self, n: usize) {
        let Some(first) = &mut self.first else {
            return assert_eq!(n, 0, "consume({n}) with nothing to consume");
        };
        first.advance(n);
        self.len -= n;
        if first.is_empty() {
            self.first = self.more.pop_front();
            if self.first.is_none() {
                self.more = VecDeque::new(); // who waits holds no memory
            }
        }
    }

    /// The first piece.
    pub(crate) fn next(&mut self) -> Option<Lease> {
        let next = self.first.take()?;
        self.len -= next.len();
        self.first = self.more.pop_front();
        Some(next.into())
    }

    /// All of them together; none if there are none.
    pub(crate) fn take(&mut self) -> Option<Piece> {
        let first = self.first.take()?;
        self.len = 0;
        let more = std::mem::take(&mut self.more);
        Some(if more.is_empty() { first } else { first.joined(&more) })
    }

    /// Puts what was taken in front of what is there, but for its first `used` bytes.
    pub(crate) fn put_back(&mut self, mut piece: Piece, used: usize) {
        piece.advance(used);
        if piece.is_empty() {
            return;
        }
        self.len += piece.len();
        if let Some(later) = self.first.replace(piece) {
            self.more.push_front(later);
        }
    }

    /// Copies them to memory of their own, so that they keep nothing that others want.
    pub(crate) fn own(&mut self) {
        if let Some(piece) = self.take() {
            self.push(Lease::from(piece.to_vec()));
        }
    }
}

impl Piece {
    fn advance(&mut self, n: usize) {
        match self {
            Self::Leased(lease) => lease.advance(n),
            Self::Joined(bytes, used) => {
                *used += n;
                assert!(*used <= bytes.len(), "advance by {n} goes past the end");
            }
        }
    }

    /// These bytes and more behind them. Who waits for much joins again and again, so memory grows
    /// by doubling.
    fn joined(self, more: &VecDeque<Self>) -> Self {
        let (mut bytes, used) = match self {
            Self::Joined(bytes, used) => (bytes, used),
            Self::Leased(lease) => {
                let all = lease.len() + more.iter().map(|piece| piece.len()).sum::<usize>();
                let mut bytes = Vec::with_capacity(all.next_power_of_two());
                bytes.extend_from_slice(&lease);
                (bytes, 0)
            }
        };
        more.iter().for_each(|piece| bytes.extend_from_slice(piece));
        Self::Joined(bytes, used)
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Leased(lease) => lease,
            Self::Joined(bytes, used) => &bytes[*used..],
        }
    }
}

impl From<Piece> for Lease {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Leased(lease) => lease,
            Piece::Joined(bytes, used) => {
                let mut lease = Self::from(bytes);
                lease.advance(used);
                lease
            }
        }
    }
}
