//! Tasks that read one page after the other past the page cache, from one `DmaFile`, with the reads
//! that its documentation prefers for what is aligned. Glommio gives a buffer of its own for each.

use std::io;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample};
use glommio::io::DmaFile;

pub fn run(job: &Job) -> io::Result<Sample> {
    let open = async { DmaFile::open(&job.file).await.map_err(super::error) };
    super::crowd_of(job, open, |task, meter, file| {
        let pages = Pages::at(&job.file);
        async move {
            let mut random = Random::new(task);
            loop {
                let page = pages.pick(&mut random);
                let offset = page * PAGE_BYTES as u64;
                let read = file.read_at_aligned(offset, PAGE_BYTES).await.map_err(super::error)?;
                pages::check(page, &read)?;
                if !meter.tick() {
                    break;
                }
            }
            file.close_rc().await.map(drop).map_err(super::error)
        }
    })
}
