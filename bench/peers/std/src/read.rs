//! One thread, one pread(2) after the other. Only for one task at a time: threads that wait for
//! each other's pages are no faster than one.

use std::io;
use std::os::unix::fs::FileExt;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    if job.tasks != 1 {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "pread is one at a time"));
    }
    let pages = Pages::at(&job.file);
    let file = pages.open()?;
    let meter = job.meter();
    let mut random = Random::new(0);
    let mut buf = vec![0; PAGE_BYTES];
    loop {
        let page = pages.pick(&mut random);
        if file.read_at(&mut buf, page * PAGE_BYTES as u64)? != PAGE_BYTES {
            return Err(wrong("a short read"));
        }
        pages::check(page, &buf)?;
        if !meter.tick() {
            return meter.sample();
        }
    }
}
