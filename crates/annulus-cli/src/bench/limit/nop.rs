//! No-ops: what a ring itself costs.

use std::future::Future;
use std::io;

use annulus_ring::Ring;
use annulus_ring::abi::SqeFlags;
use annulus_ring::op::{Nop, Op};

use crate::bench::meter::Meter;

/// Keeps `parallel` no-ops in flight until the meter has enough.
///
/// # Errors
/// A ring is refused, or fails.
pub fn run(meter: &Meter, parallel: u32) -> io::Result<()> {
    let mut ring = Ring::builder().entries(parallel.max(8)).build()?;
    let mut batch = Vec::with_capacity(parallel as usize);
    let mut free = parallel;
    loop {
        for _ in 0..free {
            // SAFETY: a no-op points to nothing.
            unsafe { super::push(&mut ring, &Nop, 0, SqeFlags::EMPTY) }?;
        }
        super::wait(&mut ring, None)?;
        free = 0;
        ring.reap_into(&mut batch);
        for cqe in batch.drain(..) {
            Nop::decode(&cqe)?;
            free += 1;
            if !meter.tick() {
                return Ok(());
            }
        }
    }
}

/// A no-op of the runtime. Here, because submitting any typed operation is unsafe in general.
#[inline]
pub fn awaited() -> impl Future<Output = io::Result<()>> {
    // SAFETY: a no-op points to nothing.
    unsafe { annulus::submit(Nop) }
}
