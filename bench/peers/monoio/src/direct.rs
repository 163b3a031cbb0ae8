//! Tasks that read one page after the other past the page cache. An aligned buffer that monoio
//! takes is a reference to an array that is never freed.

use std::io;
use std::rc::Rc;

use annulus_bench::pages::{self, PAGE_BYTES, Page, Pages, Random};
use annulus_bench::{Job, Sample};
use monoio::fs::File;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |task, meter| {
        let pages = Rc::new(Pages::at(&job.file));
        async move {
            let file = File::from_std(pages.open_direct()?)?;
            let mut random = Random::new(task);
            let mut buf = &mut Box::leak(Box::new(Page::ZERO)).0;
            loop {
                let page = pages.pick(&mut random);
                let (result, filled) = file.read_at(buf, page * PAGE_BYTES as u64).await;
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
