//! Reads a file from its beginning to its end, again and again.

use std::io;

use annulus_bench::{Job, Sample};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::runtime()?.block_on(async {
        let meter = job.meter();
        let mut buf = vec![0; job.bytes];
        loop {
            let mut file = File::open(&job.file).await?;
            loop {
                let n = file.read(&mut buf).await?;
                if n == 0 {
                    break;
                }
                if !meter.tick() {
                    return meter.sample();
                }
            }
        }
    })
}
