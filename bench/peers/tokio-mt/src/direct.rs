//! Tasks that read one page after the other past the page cache, with the standard library on
//! tokio's threads for blocking work, as `read`.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use annulus_bench::pages::{self, PAGE_BYTES, Page, Pages, Random};
use annulus_bench::{Job, Sample};
use tokio::task::spawn_blocking;

pub fn run(job: &Job) -> io::Result<Sample> {
    let file = Arc::new(Pages::at(&job.file).open_direct()?);
    super::crowd(job, |task, mut meter| {
        let (pages, file) = (Pages::at(&job.file), file.clone());
        async move {
            let mut random = Random::new(task);
            let mut buf = Box::new(Page::ZERO);
            loop {
                let page = pages.pick(&mut random);
                let file = file.clone();
                buf = spawn_blocking(move || {
                    file.read_exact_at(&mut buf.0, page * PAGE_BYTES as u64)?;
                    io::Result::Ok(buf)
                })
                .await??;
                pages::check(page, &buf.0)?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
}
