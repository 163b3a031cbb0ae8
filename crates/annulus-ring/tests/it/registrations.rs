//! Registrations against the real kernel: what each does, and how each is refused.
//!
//! Owns: what these tests share. A registration that the kernel says it lacks is skipped, and said
//! so on standard error.

mod buffers;
mod cancelling;
mod cloning;
mod credentials;
mod eventfds;
mod memory;
mod queries;
mod refusals;
mod rings;
mod settings;
mod tables;
mod tags;

use annulus_ring::{Refusal, RegisterError, Ring, abi::Errno};

use crate::support::{skip, wait};

/// What came of a registration, or `None`, said aloud, if the kernel says that it lacks it.
fn granted<T>(result: Result<T, RegisterError>) -> Option<Result<T, Errno>> {
    match result {
        Err(error) if error.refusal() == Refusal::Lacking => {
            skip(&error.to_string());
            None
        }
        other => Some(other.map_err(|error| error.errno())),
    }
}

/// The number of a refusal.
fn errno<T: std::fmt::Debug>(result: Result<T, RegisterError>) -> i32 {
    result.unwrap_err().errno().0
}

/// The pieces of memory as the kernel takes them.
fn iovecs<const N: usize>(buffers: [&mut [u8]; N]) -> [libc::iovec; N] {
    buffers.map(|bytes| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() })
}

/// The piece that stands for an empty slot.
const NOTHING: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };

/// Enters once, for completions that are made by task work, and says what is ready.
fn settled(ring: &mut Ring) -> u32 {
    wait(ring, 0, None);
    ring.cq_ready()
}
