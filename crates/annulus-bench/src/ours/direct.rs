//! Tasks that read one page after the other past the page cache, each into its own aligned buffer.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

use annulus::buf::AlignedBuf;
use annulus::fs::{File, OpenOptions};

use crate::pages::{self, PAGE_BYTES, Pages, Random};
use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let pages = Rc::new(Pages::at(&job.file));
    let file: Rc<OnceCell<File>> = Rc::default();
    super::crowd(job, |task, meter| {
        let (pages, file) = (pages.clone(), file.clone());
        async move {
            if file.get().is_none() {
                let mut options = OpenOptions::new();
                let options = options.read(true).custom_flags(libc::O_DIRECT);
                // Who opens it second closes it again.
                let _ = file.set(options.open(pages.path()).await?);
            }
            let file = file.get().ok_or(io::ErrorKind::NotFound)?;
            let mut random = Random::new(task);
            let mut buf = AlignedBuf::new(PAGE_BYTES, PAGE_BYTES)?;
            loop {
                let page = pages.pick(&mut random);
                let n;
                (n, buf) = file.read_at(buf, page * PAGE_BYTES as u64).await?;
                pages::check(page, &buf[..n])?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
}
