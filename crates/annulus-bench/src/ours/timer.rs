//! Many timers at once.

use std::io;

use annulus::time::sleep;

use crate::{Job, Sample, timers};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move { timers::run(&job, sleep).await })?
}
