//! Copies a file, with a buffer as everyone else.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        let mut buf = vec![0; job.bytes];
        loop {
            let mut source = File::open(&job.file).await?;
            let mut sink = File::create(&path).await?;
            loop {
                let n = source.read(&mut buf).await?;
                if n == 0 {
                    break;
                }
                sink.write_all(&buf[..n]).await?;
            }
            sink.flush().await?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
