//! Reads a file from its beginning to its end, again and again.

use std::io;

use annulus::fs::File;

use crate::pages::{self, FILE_MIB};
use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
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
