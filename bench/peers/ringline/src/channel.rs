//! Numbers through `ringline::mpsc` between two tasks.

use std::io;

use annulus_bench::{CHANNEL_CAPACITY, Job, Sample, wrong};
use ringline::mpsc;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::run(job, |job| Box::pin(channel(job)))
}

async fn channel(job: Job) -> io::Result<Sample> {
    let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
    ringline::spawn(async move {
        for number in 0u64.. {
            if sender.send(number).await.is_err() {
                return;
            }
        }
    })?;
    let meter = job.meter();
    for expected in 0.. {
        if receiver.recv().await != Some(expected) {
            return Err(wrong("another number was received"));
        }
        if !meter.tick() {
            break;
        }
    }
    meter.sample()
}
