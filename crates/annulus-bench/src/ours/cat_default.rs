//! Reads a file from its beginning to its end, again and again, through a `BufReader`, which holds
//! the pieces that a file gives by itself.

use std::io;

use annulus::fs::File;
use annulus::io::{AsyncBufRead, BufReader};

use crate::pages::{self, FILE_MIB};
use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let meter = job.meter();
        loop {
            let mut file = BufReader::new(File::open(&job.file).await?);
            let mut offset = 0;
            loop {
                let bytes = file.fill_buf().await?;
                if bytes.is_empty() {
                    break;
                }
                pages::check_block(offset, bytes)?;
                let n = bytes.len();
                file.consume(n);
                offset += n as u64;
            }
            pages::check_end(offset)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })?
}
