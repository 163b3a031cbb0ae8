//! The other registrations of a ring: the probe, cancellation, workers, eventfd.
//!
//! Owns: safe methods for them. Does not own: files (`files`), buffers (`buf_ring`), enabling
//! (`builder`). Mirrors io_uring_register(2).

use std::os::fd::{AsRawFd, BorrowedFd};

use annulus_abi::{Errno, Probe, RegisterOp, SyncCancel};

use crate::{Kernel, Ring};

impl Ring {
    /// The kernel's list of operations (`IORING_REGISTER_PROBE`), whatever a mask hides.
    ///
    /// # Errors
    /// EINVAL before Linux 5.6.
    pub fn probe(&mut self) -> Result<Probe, Errno> {
        let mut probe = Probe::default();
        let pointer: *mut Probe = &mut probe;
        // SAFETY: the probe has room for 256 operations and is only used during the call.
        unsafe { self.kernel().register(RegisterOp::PROBE, pointer.cast(), 256) }?;
        Ok(probe)
    }

    /// Cancels what matches and waits until it is gone (since 6.0). Returns how many were cancelled
    /// with [`CancelFlags::ALL`](annulus_abi::CancelFlags::ALL), else 0.
    ///
    /// Their completions are in the queue, or come with the next enter.
    ///
    /// # Errors
    /// ENOENT if nothing matches, EALREADY, ETIME when the time is over, EINVAL on older kernels.
    pub fn sync_cancel(&mut self, what: &SyncCancel) -> Result<u32, Errno> {
        let mut what = *what;
        let arg: *mut SyncCancel = &mut what;
        // SAFETY: one structure, read during the call.
        unsafe { self.kernel().register(RegisterOp::SYNC_CANCEL, arg.cast(), 1) }
    }

    /// Bounds the worker threads: `[bounded, unbounded]`, where 0 leaves one as it is. Returns the
    /// former bounds (since 5.15).
    ///
    /// # Errors
    /// EINVAL on older kernels.
    pub fn set_iowq_max_workers(&mut self, workers: [u32; 2]) -> Result<[u32; 2], Errno> {
        let mut workers = workers;
        let arg = workers.as_mut_ptr();
        // SAFETY: two counts, read and written during the call.
        unsafe { self.kernel().register(RegisterOp::IOWQ_MAX_WORKERS, arg.cast(), 2) }?;
        Ok(workers)
    }

    /// Signals an eventfd with each completion.
    ///
    /// # Errors
    /// EBUSY if there is one, EINVAL if it is no eventfd.
    pub fn register_eventfd(&mut self, eventfd: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut fd = eventfd.as_raw_fd();
        let arg: *mut i32 = &mut fd;
        // SAFETY: one descriptor, read during the call.
        unsafe { self.kernel().register(RegisterOp::EVENTFD, arg.cast(), 1) }.map(drop)
    }

    /// Undoes [`register_eventfd`](Self::register_eventfd).
    ///
    /// # Errors
    /// ENXIO if there is none.
    pub fn unregister_eventfd(&mut self) -> Result<(), Errno> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        unsafe { self.kernel().register(RegisterOp::UNREGISTER_EVENTFD, nothing, 0) }.map(drop)
    }
}
