//! No-ops: what a ring itself costs.

use std::io;

use annulus_ring::abi::SqeFlags;
use annulus_ring::op::{Nop, Op};

use crate::{Job, Sample};

/// Keeps no-ops in flight until the meter has enough.
///
/// # Errors
/// A ring is refused, or fails.
pub fn run(job: &Job) -> io::Result<Sample> {
    let (meter, parallel) = (job.meter(), job.tasks);
    let mut ring = super::builder().entries(parallel.max(8)).build()?;
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
                return meter.sample();
            }
        }
    }
}
