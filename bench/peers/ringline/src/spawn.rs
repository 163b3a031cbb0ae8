//! Tasks that give a number, spawned and awaited, so many at a time.

use std::hint::black_box;
use std::io;

use annulus_bench::{Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::run(job, |job| Box::pin(spawn(job)))
}

async fn spawn(job: Job) -> io::Result<Sample> {
    let meter = job.meter();
    let mut tasks = Vec::with_capacity(job.tasks as usize);
    loop {
        for n in 0..job.tasks {
            tasks.push(ringline::spawn_with_handle(async move { black_box(n) })?);
        }
        for (n, task) in (0..).zip(tasks.drain(..)) {
            if task.await != n {
                return Err(wrong("a task gave another number"));
            }
            if !meter.tick() {
                return meter.sample();
            }
        }
    }
}
