//! Copies a file.

use std::io;

use annulus::fs::File;

use crate::pages::{self, FILE_MIB};
use crate::{Job, Sample, Scratch, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        let mut buf = Vec::with_capacity(job.bytes);
        loop {
            let from = File::open(&job.file).await?;
            let to = File::create(&path).await?;
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
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
