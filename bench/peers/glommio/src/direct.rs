//! Tasks that read one page after the other past the page cache, from one `DmaFile`, with the reads
//! that its documentation prefers for what is aligned. Glommio gives a buffer of its own for each.

use std::io;
use std::rc::Rc;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample};
use glommio::io::DmaFile;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |task, meter| {
        let pages = Rc::new(Pages::at(&job.file));
        async move {
            let file = DmaFile::open(pages.path()).await.map_err(super::error)?;
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
            file.close().await.map_err(super::error)
        }
    })
}
