//! Copies a file through the page cache, as everyone else does. Its writes take a new vector each;
//! its reads give a buffer that no write takes.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch, wrong};
use glommio::io::BufferedFile;

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        loop {
            let from = BufferedFile::open(&job.file).await.map_err(super::error)?;
            let to = BufferedFile::create(&path).await.map_err(super::error)?;
            let mut offset = 0;
            loop {
                let read = from.read_at(offset, job.bytes).await.map_err(super::error)?;
                if read.is_empty() {
                    break;
                }
                if to.write_at(read.to_vec(), offset).await.map_err(super::error)? != read.len() {
                    return Err(wrong("a short write"));
                }
                offset += read.len() as u64;
            }
            from.close().await.map_err(super::error)?;
            to.close().await.map_err(super::error)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
