//! Registrations: what a ring is told once and uses many times.
//!
//! Owns: safe methods for them, one file for each kind, and the error that explains a refusal. Does
//! not own: files (`files`), provided buffers (`buf_ring`), restrictions and sizes (`builder`), nor
//! what needs no ring at all (`ringless`).
//!
//! Invariants: an argument that no kernel could take is refused before a kernel is asked; what a
//! failed call had changed is changed back; a registration that holds memory of ours owns it.
//! Mirrors io_uring_register(2).
//!
//! | kind | file | undone by |
//! |---|---|---|
//! | buffers, with tags, cloned | `buffers` | [`Ring::unregister_buffers`] |
//! | eventfd | `eventfd` | [`Ring::unregister_eventfd`] |
//! | worker threads | `workers` | [`Ring::reset_iowq_affinity`] |
//! | credentials | `personality` | [`Ring::unregister_personality`] |
//! | busy-polling, clock | `napi`, `clock` | [`Ring::unregister_napi`]; – |
//! | memory of waits, memory in general | `region`, `memory_region` | the end of the ring |
//! | descriptors of rings | `ring_fds` | dropping [`RingFds`](crate::RingFds) |
//! | receive queues of network cards | `zcrx` | the end of the ring |
//! | BPF filters | `filter` | the end of the ring |

pub(crate) mod buffers;
mod clock;
mod error;
mod eventfd;
mod filter;
mod memory_region;
mod napi;
mod personality;
mod region;
mod ring_fds;
mod workers;
mod zcrx;

use core::ffi::c_void;

use annulus_abi::{Errno, Probe, RegisterOp, SyncCancel};

pub use buffers::BufferRange;
pub use clock::Clock;
pub use error::{Refusal, RegisterError};
pub use filter::Filter;
pub use memory_region::MemoryRegion;
pub use napi::{BusyPoll, Tracking};
pub use personality::Personality;
pub use region::WaitRegion;
pub use ring_fds::RingFds;
pub use zcrx::{ZcrxIfq, ZcrxSpec};

use crate::{AnyKernel, CqeShape, Kernel, Ring, SqeShape};

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// The kernel's list of operations (`IORING_REGISTER_PROBE`), whatever a mask hides.
    ///
    /// # Errors
    /// EINVAL before Linux 5.6.
    #[doc(alias = "io_uring_get_probe")]
    #[doc(alias = "io_uring_free_probe")]
    #[doc(alias = "io_uring_register_probe")]
    #[doc(alias = "io_uring_get_probe_ring")]
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
    #[doc(alias = "io_uring_register_sync_cancel")]
    pub fn sync_cancel(&mut self, what: &SyncCancel) -> Result<u32, Errno> {
        let mut what = *what;
        let arg: *mut SyncCancel = &mut what;
        // SAFETY: one structure, read during the call.
        unsafe { self.kernel().register(RegisterOp::SYNC_CANCEL, arg.cast(), 1) }
    }

    /// Registers what `arg` says, and explains a refusal.
    ///
    /// # Safety
    /// * As for [`Kernel::register`].
    pub(crate) unsafe fn register_with(
        &mut self,
        op: RegisterOp,
        arg: *mut c_void,
        nr: u32,
    ) -> Result<u32, RegisterError> {
        // SAFETY: the caller's promise is passed on.
        let result = unsafe { self.kernel.register(op, arg, nr) };
        result.map_err(|errno| self.refused(op, errno))
    }

    /// Registers what a structure of the kernel's says.
    ///
    /// # Safety
    /// * `arg` is what `op` takes with this `nr`, and what it points to is valid as `op` demands.
    pub(crate) unsafe fn register_one<T>(
        &mut self,
        op: RegisterOp,
        arg: &mut T,
        nr: u32,
    ) -> Result<u32, RegisterError> {
        let arg: *mut T = arg;
        // SAFETY: the caller's promise is passed on.
        unsafe { self.register_with(op, arg.cast(), nr) }
    }

    /// What a refusal means. Only the real kernel is asked whether it knows the operation.
    #[cold]
    fn refused(&self, op: RegisterOp, errno: Errno) -> RegisterError {
        match self.kernel {
            AnyKernel::Real(_) => RegisterError::explain(op, errno),
            AnyKernel::Dyn(_) => RegisterError::new(op, Refusal::Kernel(errno)),
        }
    }
}
