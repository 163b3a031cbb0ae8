//! Filling buffers of the user by copying: one, or several one after the other.
//!
//! Owns: the two destinations, and how a socket's receive queue is copied to one. Does not own: the
//! queue (`stream`). Invariant: lengths are set once, at the end, to what was written.

use std::io;

use super::key::Key;
use super::recv_op::Filling;
use super::stream::End;
use super::{State, errors};
use crate::buf::{IoBufMut, IoVecBufMut};

/// Where bytes are copied to.
pub(crate) trait Scatter {
    /// What comes back.
    type Bufs;

    /// How many more bytes fit.
    fn room(&mut self) -> usize;

    /// Appends as many of `bytes` as fit, and gives their number.
    fn put(&mut self, bytes: &[u8]) -> usize;

    /// The buffers with their lengths set, and how many bytes they got.
    fn finish(self) -> (usize, Self::Bufs);

    /// The buffers as they came, when nothing was copied.
    fn give_up(self) -> Self::Bufs;
}

impl<B: IoBufMut> Scatter for Filling<B> {
    type Bufs = B;

    fn room(&mut self) -> usize {
        Filling::room(self)
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        self.copy(bytes)
    }

    fn finish(self) -> (usize, B) {
        Filling::finish(self)
    }

    fn give_up(self) -> B {
        Filling::give_up(self)
    }
}

/// Several buffers, filled in their order.
pub(crate) struct Parts<V> {
    bufs: V,
    filled: usize,
}

impl<V: IoVecBufMut> Parts<V> {
    pub(crate) fn new(bufs: V) -> Self {
        Self { bufs, filled: 0 }
    }
}

impl<V: IoVecBufMut> Scatter for Parts<V> {
    type Bufs = V;

    fn room(&mut self) -> usize {
        self.bufs.total_capacity() - self.filled
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let (mut rest, mut before) = (bytes, self.filled);
        for index in 0..self.bufs.part_count() {
            let (to, capacity) = self.bufs.part_mut(index);
            let skip = before.min(capacity);
            before -= skip;
            let n = rest.len().min(capacity - skip);
            // SAFETY: `n` bytes are readable at `rest` and writable behind the part's first `skip`,
            // within its capacity (the contract of `IoVecBufMut`); the part is exclusively ours, so
            // they do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), to.wrapping_add(skip), n) };
            rest = &rest[n..];
            if rest.is_empty() {
                break;
            }
        }
        let n = bytes.len() - rest.len();
        self.filled += n;
        n
    }

    fn finish(mut self) -> (usize, V) {
        // SAFETY: `put` has filled so many bytes, each part to its capacity before the next.
        unsafe { self.bufs.set_total_len(self.filled) };
        (self.filled, self.bufs)
    }

    fn give_up(self) -> V {
        self.bufs
    }
}

/// What a reader that copies finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// It has copied some.
    Some,
    Eof,
    Failed(i32),
    /// Nothing yet, and it is this reader's turn.
    Nothing,
    /// Others are before this reader.
    NotYourTurn,
}

impl State {
    /// Shows this reader what the receive queue has, piece by piece, until `put` takes less than it
    /// is shown. What `put` took is used up if the reader `takes`; else it stays, and so does an
    /// error.
    pub(crate) fn copy_received(
        &mut self,
        (key, waiter): (Key, Option<Key>),
        takes: bool,
        mut put: impl FnMut(&[u8]) -> usize,
    ) -> io::Result<Seen> {
        let Some(stream) = self.records.stream(key) else {
            return Err(errors::handle_gone());
        };
        if !self.waiters.may_take(stream.recv.waiters, waiter) {
            return Ok(Seen::NotYourTurn);
        }
        if !takes && !stream.recv.queue.is_empty() {
            for lease in stream.recv.queue.iter() {
                if put(lease) < lease.len() {
                    break;
                }
            }
            return Ok(Seen::Some);
        }
        let mut seen = None;
        while let Some(mut lease) = stream.recv.queue.pop_front() {
            let n = put(&lease);
            seen = Some(Seen::Some);
            if n < lease.len() {
                lease.advance(n);
                stream.recv.queue.push_front(lease);
                break;
            }
        }
        Ok(seen.unwrap_or(match stream.recv.end {
            Some(End::Eof) => Seen::Eof,
            Some(End::Failed(errno)) => {
                if takes {
                    stream.recv.end = Some(End::Eof);
                }
                Seen::Failed(errno)
            }
            None => Seen::Nothing,
        }))
    }
}
