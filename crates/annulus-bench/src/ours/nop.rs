//! Tasks that await one no-op after the other.

#![allow(unsafe_code, reason = "submitting any typed operation is unsafe in general")]

use std::io;

use annulus_ring::op::Nop;

use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |_, meter| async move {
        loop {
            // SAFETY: a no-op points to nothing.
            unsafe { annulus::submit(Nop) }.await?;
            if !meter.tick() {
                return Ok(());
            }
        }
    })
}
