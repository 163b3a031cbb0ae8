//! Tasks that do nothing but let the others run. monoio has no function for that, so this is the
//! plain one: the task wakes itself.

use std::io;

use annulus_bench::{Job, Sample, yield_now};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |_, meter| async move {
        loop {
            yield_now().await;
            if !meter.tick() {
                return Ok(());
            }
        }
    })
}
