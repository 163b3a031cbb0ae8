//! Tasks that read one page after the other past the page cache, each into the aligned part of its
//! own vector, as tokio-uring takes vectors and ranges of them.

use std::io;
use std::rc::Rc;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::File;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |task, meter| {
        let pages = Rc::new(Pages::at(&job.file));
        async move {
            let file = File::from_std(pages.open_direct()?);
            let mut random = Random::new(task);
            let buf = vec![0; 2 * PAGE_BYTES];
            let begin = buf.as_ptr().align_offset(PAGE_BYTES);
            let mut buf = buf.slice(begin..begin + PAGE_BYTES);
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
