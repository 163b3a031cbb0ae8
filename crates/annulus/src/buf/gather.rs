//! A message that is put together from copied pieces and from buffers that stay where they are.
//!
//! Owns: the copied bytes, in one vector, and the guards. Does not own: sending. Invariant: a
//! copied piece names a range of the vector that is there, and nothing is appended once the kernel
//! reads it (appending takes `self`).

use std::fmt;

use super::{Guard, IoBuf, IoVecBuf};

/// Pieces that are sent one after the other by one request: some copied, some kept by their owners.
///
/// Small pieces (heads, lengths, separators) are cheaper copied; large ones stay where they are and
/// are kept alive by a [`Guard`]. Neighbouring copies become one piece.
///
/// ```
/// use annulus::buf::{Gather, IoVecBuf};
///
/// let body = vec![b'x'; 5000];
/// let answer = Gather::new().copy(b"$5000").copy(b"\r\n").guard(body).copy(b"\r\n");
/// assert_eq!((answer.part_count(), answer.total_len()), (3, 5009));
/// ```
#[derive(Default)]
#[doc(alias = "send_parts")]
pub struct Gather {
    copied: Vec<u8>,
    pieces: Vec<Piece>,
}

enum Piece {
    /// Bytes of `copied`, from the one to the other.
    Copied(usize, usize),
    Guard(Guard),
}

impl Gather {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a copy of these bytes.
    #[must_use]
    pub fn copy(mut self, bytes: &[u8]) -> Self {
        let start = self.copied.len();
        self.copied.extend_from_slice(bytes);
        let end = self.copied.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(_, last)) => *last = end,
            _ => self.pieces.push(Piece::Copied(start, end)),
        }
        self
    }

    /// Appends a buffer, which is kept until it is sent.
    #[must_use]
    pub fn guard<B: IoBuf + Send + Sync>(self, buf: B) -> Self {
        self.guarded(Guard::new(buf))
    }

    /// Appends a buffer whose type is forgotten already.
    #[must_use]
    pub fn guarded(mut self, guard: Guard) -> Self {
        self.pieces.push(Piece::Guard(guard));
        self
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.total_len() == 0
    }
}

// SAFETY: copied pieces lie on the heap, in a vector that is changed only by who owns the whole;
// guards keep the contract themselves. Moving the whole moves neither.
unsafe impl IoVecBuf for Gather {
    fn part_count(&self) -> usize {
        self.pieces.len()
    }

    fn part(&self, index: usize) -> (*const u8, usize) {
        match &self.pieces[index] {
            Piece::Copied(start, end) => {
                let piece = &self.copied[*start..*end];
                (piece.as_ptr(), piece.len())
            }
            Piece::Guard(guard) => (guard.bytes_ptr(), guard.bytes_len()),
        }
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pieces, bytes) = (self.pieces.len(), self.total_len());
        f.debug_struct("Gather").field("pieces", &pieces).field("bytes", &bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::gather;
    use super::*;

    #[test]
    fn pieces_come_in_the_order_in_which_they_were_appended() {
        let gathered = Gather::new().guard("a").copy(b"b").copy(b"").copy(b"c").guard(vec![b'd']);
        assert_eq!(gather(&gathered), b"abcd");
        assert_eq!(gathered.part_count(), 3, "neighbouring copies are one piece");
        assert!(!gathered.is_empty() && Gather::new().copy(b"").is_empty());
        assert!(format!("{gathered:?}").contains("bytes: 4"));
    }

    #[test]
    fn copies_stay_where_they_are_when_the_whole_is_moved() {
        let gathered = Gather::new().copy(&[7; 1000]).guard("x").copy(&[8; 1000]);
        let before: Vec<_> = (0..3).map(|index| gathered.part(index)).collect();
        let moved = Box::new(gathered);
        assert_eq!(before, (0..3).map(|index| moved.part(index)).collect::<Vec<_>>());
    }
}
