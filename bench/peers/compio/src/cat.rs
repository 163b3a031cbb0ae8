//! Reads a file from its beginning to its end, again and again.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample};
use compio::BufResult;
use compio::fs::File;
use compio::io::AsyncReadAt;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let meter = job.meter();
        let mut buf = Vec::with_capacity(job.bytes);
        loop {
            let file = File::open(&job.file).await?;
            let mut offset = 0;
            loop {
                buf.clear();
                let BufResult(result, filled) = file.read_at(buf, offset).await;
                let n = result?;
                buf = filled;
                if n == 0 {
                    break;
                }
                pages::check_block(offset, &buf)?;
                offset += n as u64;
            }
            pages::check_end(offset)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })?
}
