//! A number that goes to another thread and comes back: one worker on the other CPU, and the future
//! of `block_on` on this one. (Two tasks would be free to run on the same worker.)

use std::io;

use annulus_bench::{Job, Sample, wrong};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

pub fn run(job: &Job) -> io::Result<Sample> {
    let asked = job.clone();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .on_thread_start(move || {
            if let Err(error) = asked.pin_other() {
                eprintln!("the worker is not pinned: {error}");
            }
        })
        .build()?;
    runtime.block_on(async {
        let (there, mut theirs) = mpsc::channel(1);
        let (back, mut ours) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(number) = theirs.recv().await {
                if back.send(number + 1).await.is_err() {
                    break;
                }
            }
        });
        let meter = job.meter();
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
    })
}
