//! Copies a file.

use std::io;

use annulus::fs::File;
use annulus::runtime::Runtime;

use crate::pages::{self, FILE_MIB};
use crate::{Job, Sample, Scratch, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let sample = Runtime::new()?.block_on(async {
        let meter = job.meter();
        let mut buf = Vec::with_capacity(job.bytes);
        loop {
            let from = File::open(&job.file).await?;
            let to = File::create(scratch.path()).await?;
            let mut offset = 0;
            loop {
                let (read, written);
                (read, buf) = from.read_at(buf, offset).await?;
                if read == 0 {
                    break;
                }
                (written, buf) = to.write_at(buf, offset).await?;
                if written != read {
                    return Err(wrong("a short write"));
                }
                offset += read as u64;
            }
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })?;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
