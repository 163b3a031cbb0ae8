//! Tasks that read one page after the other past the page cache, each into a registered buffer
//! of its own: the aligned part of a vector, as tokio-uring takes vectors and ranges of them.

use std::io;
use std::iter;

use annulus_bench::pages::{self, PAGE_BYTES, Pages, Random};
use annulus_bench::{Job, Sample, wrong};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::buf::fixed::FixedBufRegistry;
use tokio_uring::fs::File;

pub fn run(job: &Job) -> io::Result<Sample> {
    let vectors = iter::repeat_with(|| vec![0_u8; 2 * PAGE_BYTES]).take(job.tasks as usize);
    let registry = FixedBufRegistry::new(vectors);
    let open = async {
        registry.register()?;
        Pages::at(&job.file).open_direct().map(File::from_std)
    };
    super::crowd_of(job, open, |task, meter, file| {
        let pages = Pages::at(&job.file);
        let buf = registry.check_out(task as usize);
        async move {
            let mut random = Random::new(task);
            let buf = buf.ok_or_else(|| wrong("a buffer was taken twice"))?;
            let begin = buf.as_ptr().align_offset(PAGE_BYTES);
            let mut buf = buf.slice(begin..begin + PAGE_BYTES);
            loop {
                let page = pages.pick(&mut random);
                let (result, filled) = file.read_fixed_at(buf, page * PAGE_BYTES as u64).await;
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
