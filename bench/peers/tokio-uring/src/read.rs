//! Tasks that read one page after the other, each into its own buffer.

use std::io;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample};
use tokio_uring::fs::File;

pub fn run(job: &Job) -> io::Result<Sample> {
    let open = async { Pages::at(&job.file).open().map(File::from_std) };
    super::crowd_of(job, open, |task, meter, file| {
        let pages = Pages::at(&job.file);
        async move {
            let mut random = Random::new(task);
            let mut buf = Vec::with_capacity(PAGE_BYTES);
            loop {
                let page = pages.pick(&mut random);
                let (result, filled) = file.read_at(buf, page * PAGE_BYTES as u64).await;
                result?;
                buf = filled;
                pages::check(page, &buf)?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
}
