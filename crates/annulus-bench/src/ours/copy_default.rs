//! Copies a file with the function that is there for it.

use std::io;

use crate::pages::{self, FILE_BYTES, FILE_MIB};
use crate::{Job, Sample, Scratch, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        loop {
            if annulus::fs::copy(&job.file, &path).await? != FILE_BYTES {
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
