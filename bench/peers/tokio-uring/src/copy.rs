//! Copies a file.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::File;

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
                let (result, filled) = from.read_at(buf, offset).await;
                let n = result?;
                if n == 0 {
                    buf = filled;
                    break;
                }
                let (result, written) = to.write_all_at(filled.slice(..n), offset).await;
                result?;
                buf = written.into_inner();
                offset += n as u64;
            }
            from.close().await?;
            to.close().await?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
