//! Copies a file from a `DmaStreamReader` to a `DmaStreamWriter`, with all defaults: past the page
//! cache, and flushed to the device when the writer is closed.

use std::io;

use annulus_bench::pages::{self, FILE_BYTES, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch, wrong};
use futures_lite::AsyncWriteExt;
use glommio::io::{DmaFile, DmaStreamReaderBuilder, DmaStreamWriterBuilder};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let (job, path) = (job.clone(), scratch.path().to_owned());
    let sample = super::run(async move {
        let meter = job.meter();
        loop {
            let from = DmaFile::open(&job.file).await.map_err(super::error)?;
            let to = DmaFile::create(&path).await.map_err(super::error)?;
            let mut reader = DmaStreamReaderBuilder::new(from).build();
            let mut writer = DmaStreamWriterBuilder::new(to).build();
            if futures_lite::io::copy(&mut reader, &mut writer).await? != FILE_BYTES {
                return Err(wrong("a short copy"));
            }
            writer.close().await?;
            reader.close().await.map_err(super::error)?;
            if !meter.ticks(FILE_MIB) {
                return meter.sample();
            }
        }
    })??;
    pages::check_copy(scratch.path())?;
    Ok(sample)
}
