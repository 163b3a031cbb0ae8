//! Copies a file.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch, wrong};
use bytes::BytesMut;
use ringline::fs::{self, OpenFlags};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::run_on(super::with_files(), job, |job| Box::pin(copy(job)))
}

async fn copy(job: Job) -> io::Result<Sample> {
    let scratch = Scratch::new(&job)?;
    let meter = job.meter();
    let mut buf = BytesMut::with_capacity(job.bytes);
    loop {
        let from = fs::open(&job.file, OpenFlags::READ, 0)?.await?;
        let to = fs::create(scratch.path())?.await?;
        let mut offset = 0;
        loop {
            buf.clear();
            let (result, filled) = fs::read_into(from, offset, buf)?.await;
            let read = result?;
            if read == 0 {
                buf = filled;
                break;
            }
            let (result, written) = fs::write_from(to, offset, filled)?.await;
            if result? != read {
                return Err(wrong("a short write"));
            }
            buf = written;
            offset += read as u64;
        }
        fs::close(from)?;
        fs::close(to)?;
        if !meter.ticks(FILE_MIB) {
            break;
        }
    }
    pages::check_copy(scratch.path())?;
    meter.sample()
}
