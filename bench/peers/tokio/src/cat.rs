//! Reads a file from its beginning to its end, again and again.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let meter = job.meter();
        let mut buf = vec![0; job.bytes];
        loop {
            let mut file = File::open(&job.file).await?;
            let mut offset = 0;
            loop {
                let n = file.read(&mut buf).await?;
                if n == 0 {
                    break;
                }
                pages::check_block(offset, &buf[..n])?;
                offset += n as u64;
            }
            pages::check_end(offset)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })?
}
