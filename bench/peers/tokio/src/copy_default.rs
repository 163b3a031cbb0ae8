//! Copies a file with `tokio::fs::copy`, which leaves it to the kernel on a thread for blocking
//! work.

use std::io;

use annulus_bench::pages::{self, FILE_BYTES, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        loop {
            if tokio::fs::copy(&job.file, &path).await? != FILE_BYTES {
                return Err(wrong("a short copy"));
            }
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
