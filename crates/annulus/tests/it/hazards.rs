//! The hazards of completion-based input and output, one module for each.
//!
//! Owns: for each hazard the evidence that it is real, this design's answer, and at least three
//! tests that would meet it; where else it is proven (at the ring, in models of threads, at every
//! poll point in `cancel`) stands at the head of its module. Four hazards are met below the
//! runtime as well, in the tests of `annulus-ring`: those halves of `zero_copy_notification`,
//! `registered_buffer_lifetime`, `linked_timeout` and `sqpoll_wakeup` that need no futures.
//!
//! Where nothing but a kernel is needed, the same body runs on the real one and, with many seeds,
//! on the simulated one.

mod buffer_freed_under_kernel;
mod buffer_leak_or_double_return;
mod buffer_starvation;
mod cancelled_op_returned_descriptor;
mod chain_cut_by_the_kernel;
mod close_and_descriptor_reuse;
mod connect_begun_before;
mod cq_overflow;
mod direct_descriptor_leak;
mod exec;
mod first_thread;
mod forgotten_cancel;
pub mod fork;
mod interrupted_enter;
mod linked_timeout;
mod multishot_after_drop;
mod panic_in_callbacks;
mod panic_in_dispatch;
mod recursion;
mod reentrancy;
mod registered_buffer_lifetime;
mod short_io;
mod shutdown;
mod sqpoll_wakeup;
mod stale_completion;
mod tls_destructor_order;
mod unasked_cancel;
mod wakers_across_threads;
mod zero_copy_notification;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annulus::buf::{IoBuf, IoBufMut};
use annulus::net::UnixStream;
use annulus::runtime::{Builder, Runtime, metrics};

use crate::cancel::until;

/// A buffer that counts when it is dropped, and holds a pattern that only the kernel changes.
struct Tracked {
    bytes: Box<[u8]>,
    dropped: Arc<AtomicU32>,
}

/// How many of a test's buffers were dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicU32>);

impl Drops {
    /// One more buffer.
    fn buffer(&self, bytes: usize) -> Tracked {
        Tracked { bytes: vec![0xa5; bytes].into(), dropped: self.0.clone() }
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.bytes.fill(0x5a); // whoever writes here later writes over this
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

// SAFETY: the bytes are on the heap, owned by the box, all initialised.
unsafe impl IoBuf for Tracked {
    fn bytes_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

// SAFETY: as above; the box is the only owner.
unsafe impl IoBufMut for Tracked {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.bytes.len()
    }

    unsafe fn set_bytes_len(&mut self, _len: usize) {}
}

/// Bytes of one stream, different for each.
fn pattern(stream: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (stream * 31 + at * 7 + (at >> 8)) as u8).collect()
}

async fn read_to_end(stream: &UnixStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(lease) = stream.recv().await? {
        all.extend_from_slice(&lease);
    }
    Ok(all)
}

/// So few and small buffers that a test runs out of them.
fn few_buffers(count: u16, incremental: bool) -> Builder {
    Runtime::builder()
        .buffer_count(count)
        .buffers_published(1)
        .buffer_bytes(256)
        .buffers_incremental(incremental)
}

/// Everything of the pool is back: with the kernel, or free.
async fn all_returned() -> io::Result<()> {
    until("all leases are back", || metrics().expect("a runtime runs").leases_out == 0).await
}
