//! Reads a file from its beginning to its end, again and again.

use std::io;

use annulus::fs::File;
use annulus::runtime::Runtime;

use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    Runtime::new()?.block_on(async {
        let meter = job.meter();
        let mut buf = Vec::with_capacity(job.bytes);
        loop {
            let file = File::open(&job.file).await?;
            let mut offset = 0;
            loop {
                let n;
                (n, buf) = file.read_at(buf, offset).await?;
                if n == 0 {
                    break;
                }
                offset += n as u64;
                if !meter.tick() {
                    return meter.sample();
                }
            }
        }
    })
}
