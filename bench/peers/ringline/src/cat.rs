//! Reads a file from its beginning to its end, again and again.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample};
use bytes::BytesMut;
use ringline::fs::{self, OpenFlags};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::run_on(super::with_files(), job, |job| Box::pin(cat(job)))
}

async fn cat(job: Job) -> io::Result<Sample> {
    let meter = job.meter();
    let mut buf = BytesMut::with_capacity(job.bytes);
    loop {
        let file = fs::open(&job.file, OpenFlags::READ, 0)?.await?;
        let mut offset = 0;
        loop {
            buf.clear();
            let (result, filled) = fs::read_into(file, offset, buf)?.await;
            let n = result?;
            buf = filled;
            if n == 0 {
                break;
            }
            pages::check_block(offset, &buf)?;
            offset += n as u64;
        }
        fs::close(file)?;
        pages::check_end(offset)?;
        if !meter.ticks(FILE_MIB) {
            return meter.sample();
        }
    }
}
