//! Reads a file from its beginning to its end through the page cache, as everyone else does. Past
//! it, as glommio would rather: `cat_default`.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample};
use glommio::io::BufferedFile;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let meter = job.meter();
        loop {
            let file = BufferedFile::open(&job.file).await.map_err(super::error)?;
            let mut offset = 0;
            loop {
                let read = file.read_at(offset, job.bytes).await.map_err(super::error)?;
                if read.is_empty() {
                    break;
                }
                pages::check_block(offset, &read)?;
                offset += read.len() as u64;
            }
            file.close().await.map_err(super::error)?;
            pages::check_end(offset)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })?
}
