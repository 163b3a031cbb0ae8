//! Tasks that read one page after the other, each into its own buffer.

use std::io;
use std::rc::Rc;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample};
use bytes::BytesMut;
use ringline::fs::{self, OpenFlags};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::run_on(super::with_files(), job, |job| Box::pin(read(job)))
}

async fn read(job: Job) -> io::Result<Sample> {
    let pages = Rc::new(Pages::at(&job.file));
    let file = fs::open(pages.path(), OpenFlags::READ, 0)?.await?;
    super::crowd(job, |task, meter| {
        let pages = pages.clone();
        async move {
            let mut random = Random::new(task);
            let mut buf = BytesMut::with_capacity(PAGE_BYTES);
            loop {
                let page = pages.pick(&mut random);
                buf.clear();
                let (result, filled) = fs::read_into(file, page * PAGE_BYTES as u64, buf)?.await;
                result?;
                buf = filled;
                pages::check(page, &buf)?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
    .await
}
