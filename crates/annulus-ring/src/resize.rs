//! Queues of another size, while requests are in flight.
//!
//! Owns: when a ring may be resized, and going over to the new memory. Does not own: mapping it
//! (`Kernel::remap`).
//!
//! Invariants: what is pushed and what is not reaped survives, with its index, so the indices run
//! on; if the kernel refuses, nothing has changed; every pointer into the old memory is replaced
//! before that memory goes. Mirrors io_uring_register(2), `IORING_REGISTER_RESIZE_RINGS`, and
//! io_uring_resize_rings(3).
//!
//! ```text
//! publish tail and head -> RESIZE_RINGS -> map -> move the queues -> unmap the old memory
//!                              |            |
//!                              refused:     refused: the kernel works in the new queues, we see
//!                              as before    the old ones; nothing can be pushed until `remap`
//! ```

use core::fmt;
use std::io;

use annulus_abi::{Errno, Params, RegisterOp, SetupFlags};

use crate::{CqeShape, Kernel, Ring, SqeShape};

/// Why a ring kept its size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ResizeError {
    /// The ring runs its task work at other times: only one with `DEFER_TASKRUN` can be resized.
    NotDeferred,
    /// The ring lives in memory of the caller (`NO_MMAP`).
    CallersMemory,
    /// The descriptor, through which the queues are mapped, was closed.
    NoDescriptor,
    /// What waits in the queues has no room in the new ones.
    NoRoom {
        /// Entries pushed and not consumed.
        sq_pending: u32,
        /// Slots with completions.
        cq_ready: u32,
    },
    /// Completions of 32 bytes cannot move: reap them first.
    NotReaped {
        /// Slots with completions.
        cq_ready: u32,
    },
    /// This kernel cannot, or not to that size (before Linux 6.13, or no number of entries).
    Invalid,
    /// Something else was refused.
    Refused(Errno),
    /// The kernel has resized the ring, but its new queues could not be mapped. Nothing can be
    /// pushed until [`Ring::remap`] succeeds.
    NotMapped(Errno),
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDeferred => f.write_str(
                "only a ring with DEFER_TASKRUN can be resized: build it with TaskWork::Defer",
            ),
            Self::CallersMemory => {
                f.write_str("a ring in memory of the caller (NO_MMAP) keeps its size")
            }
            Self::NoDescriptor => f.write_str(
                "the ring's descriptor was closed, and the new queues are mapped through it",
            ),
            Self::NoRoom { sq_pending, cq_ready } => write!(
                f,
                "{sq_pending} pushed entries and {cq_ready} completions have no room in queues of \
                 that size: submit and reap first"
            ),
            Self::NotReaped { cq_ready } => write!(
                f,
                "{cq_ready} slots with completions of 32 bytes cannot move: reap them first"
            ),
            Self::Invalid => f.write_str(
                "this kernel cannot resize rings (Linux 6.13 can), or has none of that size: 1 to \
                 32768 entries, and at most 65536 completions",
            ),
            Self::Refused(errno) => write!(f, "the ring keeps its size: {errno}"),
            Self::NotMapped(errno) => write!(
                f,
                "the ring was resized, but its new queues could not be mapped: {errno}; make room \
                 in the address space, then call remap"
            ),
        }
    }
}

impl std::error::Error for ResizeError {}

impl From<ResizeError> for io::Error {
    fn from(error: ResizeError) -> Self {
        let kind = match error {
            ResizeError::NotDeferred | ResizeError::CallersMemory | ResizeError::NoDescriptor => {
                io::ErrorKind::Unsupported
            }
            ResizeError::NoRoom { .. } | ResizeError::NotReaped { .. } => io::ErrorKind::WouldBlock,
            ResizeError::Invalid => io::ErrorKind::InvalidInput,
            ResizeError::Refused(errno) | ResizeError::NotMapped(errno) => Self::from(errno).kind(),
        };
        Self::new(kind, error)
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Gives the ring queues of `entries` submissions and `cq_entries` completions, each rounded up
    /// to a power of two and clamped to the kernel's limits. Since Linux 6.13.
    ///
    /// Entries that are pushed, requests in flight and completions that are not reaped survive it.
    /// For a queue that overflows again and again; it is far from free.
    ///
    /// # Errors
    /// [`ResizeError`]. All but [`ResizeError::NotMapped`] leave the ring as it was.
    #[doc(alias = "io_uring_resize_rings")]
    #[doc(alias = "IORING_REGISTER_RESIZE_RINGS")]
    pub fn resize(&mut self, entries: u32, cq_entries: u32) -> Result<(), ResizeError> {
        self.remap()?;
        self.check_resizable()?;
        self.cq.publish();
        self.sq.publish();
        let mut new = Params {
            sq_entries: entries,
            cq_entries,
            flags: SetupFlags::CQSIZE | SetupFlags::CLAMP,
            ..Params::default()
        };
        let arg: *mut Params = &mut new;
        // SAFETY: one structure, read and written during the call; without NO_MMAP it holds no
        // address.
        let resized = unsafe { self.kernel().register(RegisterOp::RESIZE_RINGS, arg.cast(), 1) };
        resized.map_err(|errno| self.not_resized(errno))?;
        // The kernel fills in sizes and offsets; the rest is what it was.
        let params = Params { sq_off: new.sq_off, cq_off: new.cq_off, ..*self.params() };
        let params = Params { sq_entries: new.sq_entries, cq_entries: new.cq_entries, ..params };
        self.unmapped = Some(params);
        self.sq.close();
        self.remap()
    }

    /// Maps the queues after a [`resize`](Self::resize) that ended in
    /// [`ResizeError::NotMapped`]. Does nothing otherwise.
    ///
    /// # Errors
    /// [`ResizeError::NotMapped`], again.
    pub fn remap(&mut self) -> Result<(), ResizeError> {
        let Some(params) = self.unmapped else {
            return Ok(());
        };
        let memory = self.kernel.remap(&params).map_err(ResizeError::NotMapped)?;
        // SAFETY: the kernel describes this memory by these parameters; it has moved all pending
        // entries, so they have room, and none was pushed since the queue was closed.
        unsafe { self.move_to(memory, params) };
        self.unmapped = None;
        Ok(())
    }

    fn check_resizable(&self) -> Result<(), ResizeError> {
        let flags = self.params().flags;
        if !flags.contains(SetupFlags::DEFER_TASKRUN) {
            return Err(ResizeError::NotDeferred);
        }
        if flags.contains(SetupFlags::NO_MMAP) {
            return Err(ResizeError::CallersMemory);
        }
        if self.fd() < 0 {
            return Err(ResizeError::NoDescriptor);
        }
        let cq_ready = self.cq_ready();
        // The kernel moves 16 bytes of each slot, and where the end is, is part of a mixed queue.
        let wide = SetupFlags::CQE32 | SetupFlags::CQE_MIXED;
        if cq_ready > 0 && flags.intersects(wide) {
            return Err(ResizeError::NotReaped { cq_ready });
        }
        Ok(())
    }

    fn not_resized(&self, errno: Errno) -> ResizeError {
        let (sq_pending, cq_ready) = (self.sq_pending(), self.cq_ready());
        match errno.0 {
            libc::EOVERFLOW => ResizeError::NoRoom { sq_pending, cq_ready },
            libc::EINVAL => ResizeError::Invalid,
            _ => ResizeError::Refused(errno),
        }
    }
}
