//! Many timers at once.

use std::io;

use annulus_bench::{Job, Sample, timers};
use monoio::time::sleep;
use monoio::{IoUringDriver, RuntimeBuilder};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().enable_timer().build()?;
    runtime.block_on(async { monoio::spawn(async move { timers::run(&job, sleep).await }).await })
}
