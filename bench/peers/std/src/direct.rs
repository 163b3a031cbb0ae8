//! One thread, one pread(2) past the page cache after the other. Only for one task at a time, as
//! `read`.

use std::io;
use std::os::unix::fs::FileExt;

use annulus_bench::pages::{self, PAGE_BYTES, Page, Pages, Random};
use annulus_bench::{Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    if job.tasks != 1 {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "pread is one at a time"));
    }
    let pages = Pages::at(&job.file);
    let file = pages.open_direct()?;
    let meter = job.meter();
    let mut random = Random::new(0);
    let mut buf = Box::new(Page::ZERO);
    loop {
        let page = pages.pick(&mut random);
        if file.read_at(&mut buf.0, page * PAGE_BYTES as u64)? != PAGE_BYTES {
            return Err(wrong("a short read"));
        }
        pages::check(page, &buf.0)?;
        if !meter.tick() {
            return meter.sample();
        }
    }
}
