//! Tasks that read one page after the other past the page cache, each into an aligned buffer of its
//! own.

use std::io;
use std::rc::Rc;

use annulus_bench::pages::{self, PAGE_BYTES, Page, Pages, Random};
use annulus_bench::{Job, Sample, wrong};
use ringline::{direct_io_read, open_direct_io_file};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::run_on(super::with_files(), job, |job| Box::pin(direct(job)))
}

async fn direct(job: Job) -> io::Result<Sample> {
    let pages = Rc::new(Pages::at(&job.file));
    let path = pages.path().to_str().ok_or_else(|| wrong("the path is not UTF-8"))?;
    let file = open_direct_io_file(path)?;
    super::crowd(job, |task, meter| {
        let pages = pages.clone();
        async move {
            let mut random = Random::new(task);
            let mut buf = Box::new(Page::ZERO);
            loop {
                let page = pages.pick(&mut random);
                let (offset, room) = (page * PAGE_BYTES as u64, buf.0.as_mut_ptr());
                // SAFETY: the buffer has as many bytes, and this task, which nobody aborts, keeps
                // it and does nothing with it until the read is over.
                unsafe { direct_io_read(file, offset, room, PAGE_BYTES as u32) }?.await?;
                pages::check(page, &buf.0)?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
    .await
}
