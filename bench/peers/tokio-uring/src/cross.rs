//! A number that goes to another thread and comes back: two runtimes, and
//! `tokio::sync::mpsc` between them.

use std::io;
use std::thread;

use annulus_bench::{Job, Sample, wrong};
use tokio::sync::mpsc;

pub fn run(job: &Job) -> io::Result<Sample> {
    let (there, mut theirs) = mpsc::channel(1);
    let (back, mut ours) = mpsc::channel(1);
    let asked = job.clone();
    let other = thread::spawn(move || {
        asked.pin_other()?;
        super::run(async move {
            while let Some(number) = theirs.recv().await {
                if back.send(number + 1).await.is_err() {
                    break;
                }
            }
        })?;
        io::Result::Ok(())
    });
    let meter = job.meter();
    let sample = super::run(async move {
        let mut number = 0u64;
        loop {
            there.send(number).await.map_err(|_| wrong("the other thread has ended"))?;
            if ours.recv().await != Some(number + 1) {
                return Err(wrong("another number came back"));
            }
            number += 1;
            if !meter.tick() {
                return meter.sample();
            }
        }
    })??;
    other.join().map_err(|_| wrong("the other thread panicked"))??;
    Ok(sample)
}
