//! An eventfd that tells of completions.
//!
//! Owns: its registration and the flag that silences it. Does not own: the eventfd.
//!
//! Invariant: a signal is a hint; neither their number nor the lack of one tells anything about the
//! queue. Mirrors io_uring_register_eventfd(3), io_uring_cq_eventfd_toggle(3).

use core::sync::atomic::Ordering;
use std::os::fd::{AsRawFd, BorrowedFd};

use annulus_abi::{CqFlags, Errno, RegisterOp};

use crate::{CqeShape, Kernel, Ring, SqeShape, memory::Word};

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Signals an eventfd with each completion.
    ///
    /// # Errors
    /// EBUSY if there is one, EINVAL if it is no eventfd.
    #[doc(alias = "io_uring_register_eventfd")]
    pub fn register_eventfd(&mut self, eventfd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.eventfd(RegisterOp::EVENTFD, eventfd)
    }

    /// Signals an eventfd with each completion but those that are there when the submission
    /// returns (since 5.6).
    ///
    /// # Errors
    /// As [`register_eventfd`](Self::register_eventfd).
    #[doc(alias = "io_uring_register_eventfd_async")]
    pub fn register_eventfd_async(&mut self, eventfd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.eventfd(RegisterOp::EVENTFD_ASYNC, eventfd)
    }

    /// Undoes [`register_eventfd`](Self::register_eventfd).
    ///
    /// # Errors
    /// ENXIO if there is none.
    #[doc(alias = "io_uring_unregister_eventfd")]
    pub fn unregister_eventfd(&mut self) -> Result<(), Errno> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        unsafe { self.kernel().register(RegisterOp::UNREGISTER_EVENTFD, nothing, 0) }.map(drop)
    }

    /// Whether completions signal the eventfd, if there is one; they do at first.
    #[must_use]
    #[doc(alias = "io_uring_cq_eventfd_enabled")]
    pub fn eventfd_enabled(&self) -> bool {
        // ORDERING: relaxed; only this side writes the word.
        let flags = self.cq_flags().map_or(0, |word| word.load(Ordering::Relaxed));
        !CqFlags(flags).contains(CqFlags::EVENTFD_DISABLED)
    }

    /// Lets completions signal the eventfd or not, without a system call (since 5.8). What
    /// completes meanwhile is not made up for: look at the queue.
    ///
    /// # Errors
    /// EOPNOTSUPP before 5.8.
    #[doc(alias = "io_uring_cq_eventfd_toggle")]
    #[doc(alias = "IORING_CQ_EVENTFD_DISABLED")]
    pub fn set_eventfd_enabled(&mut self, enabled: bool) -> Result<(), Errno> {
        let word = self.cq_flags().ok_or(Errno(libc::EOPNOTSUPP))?;
        // ORDERING: relaxed; only this side writes the word.
        let mut flags = CqFlags(word.load(Ordering::Relaxed)).without(CqFlags::EVENTFD_DISABLED);
        if !enabled {
            flags |= CqFlags::EVENTFD_DISABLED;
        }
        // ORDERING: relaxed; the kernel reads it once a completion and orders nothing by it.
        word.store(flags.bits(), Ordering::Relaxed);
        Ok(())
    }

    fn eventfd(&mut self, op: RegisterOp, eventfd: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut fd = eventfd.as_raw_fd();
        let arg: *mut i32 = &mut fd;
        // SAFETY: one descriptor, read during the call.
        unsafe { self.kernel().register(op, arg.cast(), 1) }.map(drop)
    }

    /// The flags that this side writes, where the kernel has them.
    fn cq_flags(&self) -> Option<Word> {
        let offset = self.params.cq_off.flags;
        // SAFETY: an offset that is not 0 is that of a word within the ring, which lives as long as
        // `self`.
        (offset != 0).then(|| unsafe { Word::at(self.memory.cq_ring(), offset) })
    }
}
