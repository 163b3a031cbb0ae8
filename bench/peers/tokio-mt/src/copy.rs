//! Copies a file.

use std::io;

use annulus_bench::{Job, Sample, Scratch};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let job = job.clone();
    super::run(async move {
        let meter = job.meter();
        let mut buf = vec![0; job.bytes];
        loop {
            let mut from = File::open(&job.file).await?;
            let mut to = File::create(scratch.path()).await?;
            loop {
                let n = from.read(&mut buf).await?;
                if n == 0 {
                    break;
                }
                to.write_all(&buf[..n]).await?;
                if !meter.tick() {
                    return meter.sample();
                }
            }
            to.flush().await?;
        }
    })?
}
