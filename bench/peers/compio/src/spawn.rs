//! Tasks that give a number, spawned and awaited, so many at a time.

use std::hint::black_box;
use std::io;

use annulus_bench::{Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::runtime()?.block_on(async {
        let meter = job.meter();
        let mut tasks = Vec::with_capacity(job.tasks as usize);
        loop {
            tasks.extend(
                (0..job.tasks).map(|n| compio::runtime::spawn(async move { black_box(n) })),
            );
            for (n, task) in (0..).zip(tasks.drain(..)) {
                if task.await.map_err(|error| io::Error::other(error.to_string()))? != n {
                    return Err(wrong("a task gave another number"));
                }
                if !meter.tick() {
                    return meter.sample();
                }
            }
        }
    })
}
