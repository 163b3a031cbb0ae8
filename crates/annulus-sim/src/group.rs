//! A group of provided buffers, from the kernel's side.
//!
//! Owns: which buffers the kernel has, in which order they are used, and how far the first is
//! consumed. Does not own: the ring they are published through.
//!
//! Invariants: a buffer that the kernel has is filled with the pattern (if it poisons) up to where
//! it is consumed; a buffer id is with the kernel at most once. Mirrors
//! io_uring_register_buf_ring(3).

use std::collections::VecDeque;

use crate::hold::POISON;
use crate::memory::{GroupMemory, Span};

/// A registered group.
#[derive(Debug)]
pub(crate) struct Group {
    memory: GroupMemory,
    /// The free-running index up to which buffers were seen.
    seen: u16,
    held: VecDeque<Provided>,
    /// The one that was given to the program last.
    given: Option<u16>,
}

/// A buffer that the kernel has.
#[derive(Clone, Copy, Debug)]
struct Provided {
    bid: u16,
    /// What is left of it.
    span: Span,
    index: u16,
    poisoned: bool,
}

/// What became of the first buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) bid: u16,
    /// The kernel keeps the rest of it.
    pub(crate) more: bool,
}

impl Group {
    pub(crate) fn new(memory: GroupMemory) -> Self {
        Self { memory, seen: 0, held: VecDeque::new(), given: None }
    }

    /// Looks what was published since the last time.
    ///
    /// # Errors
    /// What the program did wrong.
    pub(crate) fn look(&mut self, poison: bool) -> Result<(), &'static str> {
        let tail = self.memory.tail();
        while self.seen != tail {
            let (bid, span) = self.memory.buffer(self.seen);
            if self.held.len() as u32 >= self.memory.entries() {
                return Err("more buffers were published than the ring has entries");
            }
            if self.held.iter().any(|provided| provided.bid == bid) {
                return Err("a provided buffer was given back while the kernel had it");
            }
            if poison {
                span.fill(POISON);
            }
            let provided = Provided { bid, span, index: self.seen, poisoned: poison };
            self.held.push_back(provided);
            self.seen = self.seen.wrapping_add(1);
        }
        Ok(())
    }

    /// How much fits into the first buffer; `None` if there is none.
    pub(crate) fn room(&self) -> Option<u32> {
        self.held.front().map(|provided| provided.span.len())
    }

    /// Writes into the first buffer and gives it, or that part of it, to the program.
    ///
    /// # Errors
    /// What the program did wrong.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<Taken, &'static str> {
        let incremental = self.memory.is_incremental();
        let front = self.held.front_mut().expect("a buffer is filled after one was found");
        let count = bytes.len() as u32;
        let part = front.span.part(0, count);
        if front.poisoned && !part.is_filled_with(POISON) {
            return Err("a provided buffer was written to while the kernel had it");
        }
        part.write(bytes);
        let taken = Taken { bid: front.bid, more: incremental && count < front.span.len() };
        if taken.more {
            front.span = front.span.part(count, u32::MAX);
            self.memory.advance(front.index, count);
        } else {
            self.held.pop_front();
            self.given = Some(taken.bid);
        }
        Ok(taken)
    }

    /// A buffer that the kernel does not have: the last one that it had, if it was not given back
    /// since, or one that there is not.
    pub(crate) fn foreign(&self) -> u16 {
        let given = self.given.filter(|&bid| self.held.iter().all(|held| held.bid != bid));
        given.unwrap_or(u16::MAX)
    }

    /// Touches all memory that the kernel has.
    ///
    /// # Errors
    /// What the program did wrong.
    pub(crate) fn touch(&self) -> Result<(), &'static str> {
        for provided in &self.held {
            if provided.poisoned && !provided.span.is_filled_with(POISON) {
                return Err("a provided buffer was written to while the kernel had it");
            }
            provided.span.restore(&provided.span.save(), 0);
        }
        Ok(())
    }
}
