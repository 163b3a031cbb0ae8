//! Chains: entries that the kernel starts one after the other.
//!
//! Owns: that a chain is pushed whole or not at all, and which entry carries which link flag. Does
//! not own: the queue (`sq`), what an entry says (`op`), or how its result is read.
//!
//! Invariants: the entries of a chain are adjacent and in one submission, because nothing else can
//! be pushed while a [`Chain`] borrows the ring, and nothing of it is in the queue before
//! [`Chain::finish`]; an entry carries a link flag only if the chain goes on behind it, so the last
//! one never does; a time limit stands right behind its operation. Mirrors the section on links of
//! io_uring_enter(2).
//!
//! ```text
//!              head        tail                 tail + reserved
//!   the kernel's  |  pushed  |  written | reserved |   free
//!                            '--------- Chain -----'
//!   finish: the tail moves behind what was written.      drop: it stays where it is.
//! ```

use std::{fmt, io};

use annulus_abi::SqeFlags;

use crate::{
    Ring,
    op::{LinkTimeoutEnd, Op},
    sq::Sq,
};

/// A chain that is being written: nothing of it is pushed before [`finish`](Self::finish).
///
/// An entry starts when the one before it has ended. What happens in between depends on how they
/// are joined, and is the same for every entry that follows:
///
/// | the entry before | [`then`](Self::then) | [`then_always`](Self::then_always) |
/// |---|---|---|
/// | succeeded, in full | starts | starts |
/// | failed, or was cancelled | completes with `ECANCELED`, and so does all that follows | starts |
/// | read, wrote, sent or received less than asked | as failed: *its own result is the short count* | starts |
/// | is a timeout that expired | as failed, unless `ETIME_SUCCESS` | starts |
///
/// An entry that the kernel refuses at submission, before anything of the chain has begun (`EINVAL`
/// for options that it does not know), ends all of it: it has its error, the entries *before* and
/// behind it complete with `ECANCELED`, and a hard link does not help.
///
/// Every entry has one completion of its own whatever becomes of the others (or none, if it is
/// [`silent`](crate::op::Flagged::silent) and succeeds). They mostly come in the order of the
/// chain; only that of a time limit and of what it limits come in either order, and an operation
/// that is cancelled before it began may be reported before the one that caused it. A cancel finds
/// only the entry whose turn it is. Multishot operations and zero-copy sends count as ended when
/// they are first done, so they belong at the end.
///
/// ```
/// use annulus_abi::{Timespec, TimeoutFlags};
/// use annulus_ring::{Ring, op::{LinkTimeout, Nop}};
///
/// let mut ring = Ring::new(8)?;
/// let spec = Timespec { sec: 1, nsec: 0 };
/// let limit = LinkTimeout { spec: &spec, flags: TimeoutFlags::EMPTY };
/// let mut chain = ring.chain(3)?;
/// // SAFETY: a NOP has no memory.
/// unsafe { chain.then(&Nop, 1) }?;
/// // SAFETY: `spec` outlives the submission.
/// unsafe { chain.limit(&limit, 2) }?;
/// // SAFETY: as the first.
/// unsafe { chain.then(&Nop, 3) }?;
/// assert_eq!(chain.finish(), 3);
/// ring.submit_and_wait(3, None).unwrap();
/// assert_eq!(ring.completions().filter(|cqe| cqe.res == 0).count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With a submission thread that serves several rings
/// ([`SetupFlags::ATTACH_WQ`](annulus_abi::SetupFlags::ATTACH_WQ)) the kernel takes at most eight
/// entries at a time, and a chain that is cut there goes on as another one.
#[doc(alias = "IOSQE_IO_LINK")]
#[doc(alias = "IOSQE_IO_HARDLINK")]
#[must_use = "a chain that is not finished is not pushed"]
pub struct Chain<'ring> {
    sq: &'ring mut Sq,
    reserved: u32,
    written: u32,
    /// The last operation; behind it stands at most its time limit.
    step: u32,
    /// Flags of the first entry, which are those of the chain.
    first: SqeFlags,
}

/// Why a chain cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChainError {
    /// A chain of no entries was asked for.
    Empty,
    /// It is longer than the submission queue, and so can never be submitted at once.
    TooLong {
        /// Entries asked for.
        needed: u32,
        /// Entries of the queue.
        entries: u32,
    },
    /// There is no room for all of it now: submit, then try again.
    Full {
        /// Entries asked for.
        needed: u32,
        /// Entries that are free.
        free: u32,
    },
    /// Every entry that was reserved is written.
    Complete {
        /// Entries reserved.
        reserved: u32,
    },
    /// A time limit needs an operation right before it, and an operation has one at most.
    NothingToLimit,
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a chain has at least one entry"),
            Self::TooLong { needed, entries } => {
                write!(f, "a chain of {needed} entries does not fit a queue of {entries}")
            }
            Self::Full { needed, free } => {
                write!(f, "a chain of {needed} entries does not fit now: {free} are free; submit")
            }
            Self::Complete { reserved } => {
                write!(f, "the chain was reserved for {reserved} entries, which are all written")
            }
            Self::NothingToLimit => {
                f.write_str("a time limit stands right behind one operation, which has no other")
            }
        }
    }
}

impl std::error::Error for ChainError {}

impl From<ChainError> for io::Error {
    fn from(error: ChainError) -> Self {
        let kind = match error {
            ChainError::Full { .. } => io::ErrorKind::WouldBlock,
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

impl Ring {
    /// Reserves room for a chain of at most `entries` entries, time limits included.
    ///
    /// # Errors
    /// [`ChainError::TooLong`] if it can never be submitted at once, [`ChainError::Full`] if it
    /// cannot now.
    pub fn chain(&mut self, entries: u32) -> Result<Chain<'_>, ChainError> {
        let all = self.params().sq_entries;
        if entries == 0 {
            return Err(ChainError::Empty);
        }
        if entries > all {
            return Err(ChainError::TooLong { needed: entries, entries: all });
        }
        if !self.sq.has_room(entries) {
            return Err(ChainError::Full { needed: entries, free: self.sq_space_left() });
        }
        Ok(Chain {
            sq: &mut self.sq,
            reserved: entries,
            written: 0,
            step: 0,
            first: SqeFlags::EMPTY,
        })
    }
}

impl Chain<'_> {
    /// Writes an operation that starts if the one before it has succeeded.
    ///
    /// # Errors
    /// [`ChainError::Complete`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`], once the chain is finished.
    #[inline]
    pub unsafe fn then<O: Op>(&mut self, op: &O, user_data: u64) -> Result<(), ChainError> {
        self.join(SqeFlags::IO_LINK, op, user_data)
    }

    /// Writes an operation that starts when the one before it has ended, however it ended.
    ///
    /// # Errors
    /// [`ChainError::Complete`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`], once the chain is finished.
    #[inline]
    pub unsafe fn then_always<O: Op>(&mut self, op: &O, user_data: u64) -> Result<(), ChainError> {
        self.join(SqeFlags::IO_HARDLINK, op, user_data)
    }

    /// Limits the time of the operation just written, with a
    /// [`LinkTimeout`](crate::op::LinkTimeout) or [`LinkTimeoutNs`](crate::op::LinkTimeoutNs). It
    /// takes an entry.
    ///
    /// # Errors
    /// [`ChainError::NothingToLimit`], [`ChainError::Complete`].
    ///
    /// # Safety
    /// * As for [`Ring::vacant`], once the chain is finished.
    pub unsafe fn limit<O>(&mut self, limit: &O, user_data: u64) -> Result<(), ChainError>
    where
        O: Op<Output = LinkTimeoutEnd>,
    {
        if self.written != self.step + 1 {
            return Err(ChainError::NothingToLimit);
        }
        let step = self.step;
        self.join(SqeFlags::IO_LINK, limit, user_data)?;
        self.step = step;
        Ok(())
    }

    /// The chain starts when everything that was submitted before it has completed, and what is
    /// submitted after it waits for it.
    pub fn drained(&mut self) -> &mut Self {
        self.first |= SqeFlags::IO_DRAIN;
        self
    }

    /// Entries that can still be written.
    #[must_use]
    pub fn entries_left(&self) -> u32 {
        self.reserved - self.written
    }

    /// Pushes what was written, which may be less than was reserved, and says how many entries
    /// these are. The next submission gives them to the kernel.
    pub fn finish(self) -> u32 {
        if self.written > 0 {
            self.sq.ahead(0).flags |= self.first;
            self.sq.advance(self.written);
        }
        self.written
    }

    /// Writes an entry, and links the last operation, with its limit, to it.
    #[inline]
    fn join<O: Op>(&mut self, link: SqeFlags, op: &O, user_data: u64) -> Result<(), ChainError> {
        if self.written == self.reserved {
            return Err(ChainError::Complete { reserved: self.reserved });
        }
        for before in self.step..self.written {
            self.sq.ahead(before).flags |= link;
        }
        let sqe = self.sq.blank_ahead(self.written);
        op.encode(sqe);
        sqe.user_data = user_data;
        sqe.flags = sqe.flags.without(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK);
        self.step = self.written;
        self.written += 1;
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("reserved", &self.reserved)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
