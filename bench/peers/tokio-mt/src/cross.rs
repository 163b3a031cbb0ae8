//! A number that goes to another thread and comes back: two runtimes of one worker each, and
//! `tokio::sync::mpsc` between them. (Two tasks of one runtime would be free to run on the same
//! worker.)

use std::io;

use annulus_bench::{Job, Sample, wrong};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

pub fn run(job: &Job) -> io::Result<Sample> {
    let (there, mut theirs) = mpsc::channel(1);
    let (back, mut ours) = mpsc::channel(1);
    let (asked, pinned) = (job.clone(), job.clone());
    let here = runtime(move || asked.pin())?;
    let other = runtime(move || pinned.pin_other())?;
    other.spawn(async move {
        while let Some(number) = theirs.recv().await {
            if back.send(number + 1).await.is_err() {
                break;
            }
        }
    });
    let meter = job.meter();
    here.block_on(here.spawn(async move {
        let mut number = 0u64;
        loop {
            there.send(number).await.map_err(|_| wrong("the other task has ended"))?;
            if ours.recv().await != Some(number + 1) {
                return Err(wrong("another number came back"));
            }
            number += 1;
            if !meter.tick() {
                return meter.sample();
            }
        }
    }))?
}

/// A runtime of one worker, which is pinned so.
fn runtime(pin: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().on_thread_start(move || {
        if let Err(error) = pin() {
            eprintln!("the worker is not pinned: {error}");
        }
    });
    builder.build()
}
