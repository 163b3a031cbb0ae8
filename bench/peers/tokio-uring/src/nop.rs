//! Tasks that await one no-op after the other.

use std::io;

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |_, meter| async move {
        loop {
            tokio_uring::no_op().await?;
            if !meter.tick() {
                return Ok(());
            }
        }
    })
}
