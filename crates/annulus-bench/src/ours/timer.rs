//! Many timers at once.

use std::io;
use std::time::Duration;

use annulus::runtime::{Builder, Runtime};
use annulus::time::sleep;

use crate::{Job, Sample, timers};

pub fn run(job: &Job) -> io::Result<Sample> {
    let builder = tuned(&job.variant)?;
    let job = job.clone();
    super::run_on(builder, async move { timers::run(&job, sleep).await })?
}

/// All defaults, or timers that may be as late as those of a runtime that counts in milliseconds.
///
/// # Errors
/// There is no such variant.
pub fn tuned(variant: &str) -> io::Result<Builder> {
    match variant {
        "" => Ok(Runtime::builder()),
        "slack" => Ok(Runtime::builder().timer_slack(Duration::from_millis(1))),
        _ => crate::no_variant(variant),
    }
}
