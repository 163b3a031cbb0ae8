//! Reads a file from its beginning to its end, again and again, through a `DmaStreamReader` with
//! all defaults: past the page cache, 128 KiB at a time, four of them ahead.

use std::io;

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample};
use glommio::io::{DmaFile, DmaStreamReaderBuilder};

/// The size of its buffers.
const BUFFER_BYTES: u64 = 128 << 10;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let meter = job.meter();
        loop {
            let file = DmaFile::open(&job.file).await.map_err(super::error)?;
            let mut reader = DmaStreamReaderBuilder::new(file).build();
            let mut offset = 0;
            loop {
                let read = reader.get_buffer_aligned(BUFFER_BYTES).await.map_err(super::error)?;
                if read.is_empty() {
                    break;
                }
                pages::check_block(offset, &read)?;
                offset += read.len() as u64;
            }
            reader.close().await.map_err(super::error)?;
            pages::check_end(offset)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })?
}
