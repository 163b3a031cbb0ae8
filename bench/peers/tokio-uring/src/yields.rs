//! Tasks that do nothing but let the others run.

use std::io;

use annulus_bench::{Job, Sample};
use tokio::task::yield_now;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |_, meter| async move {
        loop {
            yield_now().await;
            if !meter.tick() {
                return Ok(());
            }
        }
    })
}
