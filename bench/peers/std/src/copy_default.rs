//! Copies a file with `std::fs::copy`, which leaves it to the kernel.

use std::io;

use annulus_bench::pages::{self, FILE_BYTES, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let meter = job.meter();
    loop {
        if std::fs::copy(&job.file, scratch.path())? != FILE_BYTES {
            return Err(wrong("a short copy"));
        }
        if !meter.ticks(FILE_MIB) {
            pages::check_copy(scratch.path())?;
            return meter.sample();
        }
    }
}
