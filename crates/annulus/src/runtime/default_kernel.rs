//! The kernel of runtimes whose builder names none.
//!
//! Owns: the choice of the process, made once. Invariant: it never changes once made, and it is
//! read only while a runtime is made.

use std::sync::{Arc, OnceLock};

use annulus_ring::AnyKernel;

use crate::core::setup::KernelMaker;

static CHOSEN: OnceLock<KernelMaker> = OnceLock::new();

/// Puts a kernel behind every runtime of this process that is made from now on, unless its
/// [builder](super::Builder::kernel) names one. Without it that is the real one.
///
/// For a `main` that decides which kernel its program runs on, libraries included, and for tests:
/// a whole suite runs on a kernel that counts, or fails now and then. `make` is called once for
/// each runtime, on its thread. Returns false, and changes nothing, if the choice has been made.
///
/// ```
/// use annulus::runtime::{Runtime, set_default_kernel};
/// use annulus_ring::Real;
///
/// assert!(set_default_kernel(|| Real::new().into()));
/// assert!(!set_default_kernel(|| Real::new().into()), "only once");
/// let runtime = Runtime::new()?;
/// # drop(runtime);
/// # Ok::<(), annulus::Error>(())
/// ```
#[must_use = "false says that another choice stays"]
pub fn set_default_kernel(make: impl Fn() -> AnyKernel + Send + Sync + 'static) -> bool {
    CHOSEN.set(KernelMaker(Arc::new(make))).is_ok()
}

pub(crate) fn chosen<'a>() -> Option<&'a KernelMaker> {
    CHOSEN.get()
}
