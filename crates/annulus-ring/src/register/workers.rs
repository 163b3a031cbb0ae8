//! The worker threads of a ring: how many, and where.
//!
//! Owns: their bounds and their affinity. Does not own: which operations need a worker (each says
//! *punted*). Mirrors io_uring_register_iowq_max_workers(3), io_uring_register_iowq_aff(3).

use annulus_abi::{Errno, RegisterOp};

use super::{Refusal, RegisterError};
use crate::{CqeShape, Kernel, Ring, SqeShape};

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Bounds the worker threads: `[bounded, unbounded]`, where 0 leaves one as it is. Returns the
    /// former bounds (since 5.15).
    ///
    /// # Errors
    /// EINVAL on older kernels.
    #[doc(alias = "io_uring_register_iowq_max_workers")]
    pub fn set_iowq_max_workers(&mut self, workers: [u32; 2]) -> Result<[u32; 2], Errno> {
        let mut workers = workers;
        let arg = workers.as_mut_ptr();
        // SAFETY: two counts, read and written during the call.
        unsafe { self.kernel().register(RegisterOp::IOWQ_MAX_WORKERS, arg.cast(), 2) }?;
        Ok(workers)
    }

    /// Binds the worker threads of this thread to CPUs (since 5.14). With `SQPOLL` those of the
    /// submission thread.
    ///
    /// # Errors
    /// [`Refusal::NoCpu`] if none is named; EINVAL if they may not be used, or on older kernels.
    #[doc(alias = "io_uring_register_iowq_aff")]
    pub fn set_iowq_affinity(&mut self, cpus: &[u32]) -> Result<(), RegisterError> {
        let op = RegisterOp::IOWQ_AFF;
        let highest = cpus.iter().copied().max();
        let highest = highest.ok_or(RegisterError::new(op, Refusal::NoCpu))? as usize;
        let mut mask = vec![0_u64; highest / 64 + 1];
        for &cpu in cpus {
            mask[cpu as usize / 64] |= 1 << (cpu % 64);
        }
        let bytes = (mask.len() * size_of::<u64>()) as u32;
        // SAFETY: a mask of so many bytes, read during the call.
        unsafe { self.register_with(op, mask.as_mut_ptr().cast(), bytes) }.map(drop)
    }

    /// Lets the worker threads run anywhere again.
    ///
    /// # Errors
    /// EINVAL on kernels before 5.14.
    #[doc(alias = "io_uring_unregister_iowq_aff")]
    pub fn reset_iowq_affinity(&mut self) -> Result<(), RegisterError> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        unsafe { self.register_with(RegisterOp::UNREGISTER_IOWQ_AFF, nothing, 0) }.map(drop)
    }
}
