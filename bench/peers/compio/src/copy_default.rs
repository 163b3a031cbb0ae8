//! Copies a file with `compio::io::copy`, with the buffer that it has by itself.

use std::io::{self, Cursor};

use annulus_bench::pages::{self, FILE_BYTES, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch, wrong};
use compio::fs::File;

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        loop {
            let mut from = Cursor::new(File::open(&job.file).await?);
            let mut to = Cursor::new(File::create(&path).await?);
            if compio::io::copy(&mut from, &mut to).await? != FILE_BYTES {
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
