//! Tasks that read one page after the other past the page cache. An aligned buffer that compio
//! takes is a reference to an array that is never freed.

use std::io;

use annulus_bench::pages::{self, PAGE_BYTES, Page, Pages, Random};
use annulus_bench::{Job, Sample};
use compio::BufResult;
use compio::fs::OpenOptions;
use compio::io::AsyncReadAt;

pub fn run(job: &Job) -> io::Result<Sample> {
    let mut options = OpenOptions::new();
    let open = options.read(true).custom_flags(libc::O_DIRECT).open(&job.file);
    super::crowd_of(job, open, |task, meter, file| {
        let pages = Pages::at(&job.file);
        async move {
            let mut random = Random::new(task);
            let mut buf = &mut Box::leak(Box::new(Page::ZERO)).0;
            loop {
                let page = pages.pick(&mut random);
                let BufResult(result, filled) = file.read_at(buf, page * PAGE_BYTES as u64).await;
                let n = result?;
                buf = filled;
                pages::check(page, &buf[..n])?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
}
