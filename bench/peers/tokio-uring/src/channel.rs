//! Numbers through `tokio::sync::mpsc` between two tasks.

use std::io;

use annulus_bench::{CHANNEL_CAPACITY, Job, Sample, wrong};
use tokio::sync::mpsc;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let (sender, mut receiver) = mpsc::channel(CHANNEL_CAPACITY);
        tokio_uring::spawn(async move {
            for number in 0u64.. {
                if sender.send(number).await.is_err() {
                    return;
                }
            }
        });
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
    })?
}
