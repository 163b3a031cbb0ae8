//! Copies a file.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch};
use compio::BufResult;
use compio::fs::File;
use compio::io::{AsyncReadAt, AsyncWriteAtExt};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        let mut buf = Vec::with_capacity(job.bytes);
        loop {
            let from = File::open(&job.file).await?;
            let mut to = File::create(&path).await?;
            let mut offset = 0;
            loop {
                buf.clear();
                let BufResult(result, filled) = from.read_at(buf, offset).await;
                let n = result?;
                buf = filled;
                if n == 0 {
                    break;
                }
                let BufResult(result, written) = to.write_all_at(buf, offset).await;
                result?;
                buf = written;
                offset += n as u64;
            }
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
