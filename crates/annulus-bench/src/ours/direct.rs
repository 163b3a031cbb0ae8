//! Tasks that read one page after the other past the page cache, each into a registered buffer of
//! its own.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

use annulus::buf::DirectPool;
use annulus::fs::Direct;

use crate::pages::{self, PAGE_BYTES, Pages, Random};
use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let pages = Rc::new(Pages::at(&job.file));
    let shared: Rc<OnceCell<(Direct, DirectPool)>> = Rc::default();
    let tasks = job.tasks;
    super::crowd(job, |task, meter| {
        let (pages, shared) = (pages.clone(), shared.clone());
        async move {
            if shared.get().is_none() {
                let file = Direct::open(pages.path()).await?;
                if shared.get().is_none() {
                    let _ = shared.set((file, DirectPool::new(tasks, PAGE_BYTES)?));
                }
            }
            let (file, pool) = shared.get().ok_or(io::ErrorKind::NotFound)?;
            let mut random = Random::new(task);
            let mut buf = pool.take().await;
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
