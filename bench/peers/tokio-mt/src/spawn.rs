//! Tasks that give a number, spawned and awaited, so many at a time.

use std::hint::black_box;
use std::io;

use annulus_bench::{Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let (meter, count) = (job.meter(), job.tasks);
    super::run(async move {
        let mut tasks = Vec::with_capacity(count as usize);
        loop {
            tasks.extend((0..count).map(|n| tokio::spawn(async move { black_box(n) })));
            for (n, task) in (0..).zip(tasks.drain(..)) {
                if task.await? != n {
                    return Err(wrong("a task gave another number"));
                }
                if !meter.tick() {
                    return meter.sample();
                }
            }
        }
    })?
}
