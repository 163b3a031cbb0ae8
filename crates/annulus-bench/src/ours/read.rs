//! Tasks that read one page after the other, each into its own buffer.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

use annulus::fs::File;

use crate::pages::{self, PAGE_BYTES, Pages, Random};
use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let pages = Rc::new(Pages::at(&job.file));
    let file = Rc::new(OnceCell::new());
    super::crowd(job, |task, meter| {
        let (pages, file) = (pages.clone(), file.clone());
        async move {
            if file.get().is_none() {
                let opened = File::from_std(pages.open()?)?;
                let _ = file.set(opened);
            }
            let file = file.get().ok_or(io::ErrorKind::NotFound)?;
            let mut random = Random::new(task);
            let mut buf = Vec::with_capacity(PAGE_BYTES);
            loop {
                let page = pages.pick(&mut random);
                (_, buf) = file.read_at(buf, page * PAGE_BYTES as u64).await?;
                pages::check(page, &buf)?;
                if !meter.tick() {
                    return Ok(());
                }
            }
        }
    })
}
