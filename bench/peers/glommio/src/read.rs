//! Tasks that read one page after the other, from one `BufferedFile`; glommio gives a buffer of its
//! own for each read.

use std::io;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample};
use glommio::io::BufferedFile;

pub fn run(job: &Job) -> io::Result<Sample> {
    let open = async { BufferedFile::open(&job.file).await.map_err(super::error) };
    super::crowd_of(job, open, |task, meter, file| {
        let pages = Pages::at(&job.file);
        async move {
            let mut random = Random::new(task);
            loop {
                let page = pages.pick(&mut random);
                let offset = page * PAGE_BYTES as u64;
                let read = file.read_at(offset, PAGE_BYTES).await.map_err(super::error)?;
                pages::check(page, &read)?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
}
