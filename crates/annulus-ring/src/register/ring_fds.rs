//! Descriptors of rings in a thread's own table, which saves looking them up in each call.
//!
//! Owns: putting several there at once, and switching a ring between its two names. Does not own:
//! that a ring does this for itself when it is enabled (`builder`).
//!
//! Invariant: the table has 16 places and is the thread's, so a guard stays on its thread and gives
//! its places back there. Mirrors io_uring_register_ring_fd(3).

use core::marker::PhantomData;
use std::{os::fd::RawFd, process};

use annulus_abi::{Errno, RegisterOp, RingFdUpdate};

use super::{Refusal, RegisterError};
use crate::{CqeShape, Kernel, Ring, SqeShape, Why};

/// Rings registered with this thread; dropping it gives their places back.
///
/// For callers of io_uring_enter(2) that name rings by index
/// ([`EnterFlags::REGISTERED_RING`](annulus_abi::EnterFlags::REGISTERED_RING)), and for
/// [`Ring::clone_buffers_registered`]. A [`Ring`] does so for itself. A registered ring stays open
/// until its place is given back.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(annulus_ring::RingFds::register(&[]).unwrap());
/// ```
#[derive(Debug)]
pub struct RingFds {
    indices: Vec<u32>,
    /// One of them by descriptor: how kernels before 6.3 are asked to give places back.
    first: RawFd,
    owner: u32,
    _of_one_thread: PhantomData<*const ()>,
}

impl RingFds {
    /// Registers all of them, or none.
    ///
    /// # Errors
    /// EBUSY when the 16 places of this thread are taken, EBADF and EOPNOTSUPP if one is no
    /// descriptor or no ring, EINVAL for more than 16 at once and before 5.18.
    #[doc(alias = "io_uring_register_ring_fd")]
    #[doc(alias = "IORING_REGISTER_RING_FDS")]
    pub fn register(rings: &[RawFd]) -> Result<Self, RegisterError> {
        let op = RegisterOp::RING_FDS;
        let first = rings.first().copied().unwrap_or(-1);
        let owner = process::id();
        let mut fds = Self { indices: Vec::new(), first, owner, _of_one_thread: PhantomData };
        if rings.is_empty() {
            return Ok(fds);
        }
        let mut updates: Vec<_> = rings
            .iter()
            .map(|&fd| RingFdUpdate { offset: u32::MAX, resv: 0, data: fd as u64 })
            .collect();
        let asked = u32::try_from(updates.len())
            .map_err(|_| RegisterError::new(op, Refusal::TooMany(updates.len())))?;
        // SAFETY: so many updates, read and written during the call.
        let done = unsafe {
            annulus_abi::register(first as u32, op.0, updates.as_mut_ptr().cast(), asked)
        }
        .map_err(|errno| RegisterError::explain(op, errno))?;
        let registered = updates.get(..done as usize).unwrap_or(&updates);
        fds.indices.extend(registered.iter().map(|update| update.offset));
        match updates.get(done as usize) {
            None => Ok(fds),
            // The kernel tells how far it came, and not why it stopped; asked alone, the next says
            // it. Dropping `fds` gives the others back.
            Some(refused) => match Self::register(&[refused.data as RawFd]) {
                Err(error) => Err(error),
                Ok(_) => Err(RegisterError::new(op, Refusal::Kernel(Errno(libc::EAGAIN)))),
            },
        }
    }

    /// The index of each, in the order given.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl Drop for RingFds {
    fn drop(&mut self) {
        // A forked child has no table of its own: there is nothing to give back there.
        if self.owner != process::id() {
            return;
        }
        for &index in &self.indices {
            let mut update = RingFdUpdate { offset: index, resv: 0, data: 0 };
            let arg: *mut RingFdUpdate = &mut update;
            let op = RegisterOp::UNREGISTER_RING_FDS.0;
            // The ring is named by its index first, because its descriptor may be closed.
            let by_index = op | RegisterOp::USE_REGISTERED_RING;
            // SAFETY: one update, read during the call.
            if unsafe { annulus_abi::register(index, by_index, arg.cast(), 1) }.is_err() {
                // SAFETY: as above.
                let _ = unsafe { annulus_abi::register(self.first as u32, op, arg.cast(), 1) };
            }
        }
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers the ring's descriptor with this thread and uses the index from now on. A ring does
    /// so when it is enabled; this is for one that was given back or had found no place.
    ///
    /// # Errors
    /// EBUSY when the 16 places of this thread are taken, EINVAL before 5.18. The ring works on
    /// through its descriptor.
    #[doc(alias = "io_uring_register_ring_fd")]
    pub fn register_ring_fd(&mut self) -> Result<(), RegisterError> {
        let result = self.kernel().register_ring();
        self.capabilities_mut().registered_ring = result.map_err(Why::of_trial);
        result.map_err(|errno| RegisterError::explain(RegisterOp::RING_FDS, errno))
    }

    /// Gives the place back and uses the descriptor from now on. Does nothing without one.
    #[doc(alias = "io_uring_unregister_ring_fd")]
    pub fn unregister_ring_fd(&mut self) {
        self.kernel().unregister_ring();
        self.capabilities_mut().registered_ring = Err(Why::NotAsked);
    }
}
