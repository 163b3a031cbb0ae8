//! Many timers at once.

use std::io;

use annulus_bench::{Job, Sample, timers};
use compio::runtime::time::sleep;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move { timers::run(&job, sleep).await })?
}
