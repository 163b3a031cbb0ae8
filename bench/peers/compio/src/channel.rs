//! Numbers through `flume`, which compio itself uses, between two tasks.

use std::io;

use annulus_bench::{CHANNEL_CAPACITY, Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let (sender, receiver) = flume::bounded(CHANNEL_CAPACITY);
        compio::runtime::spawn(async move {
            for number in 0u64.. {
                if sender.send_async(number).await.is_err() {
                    return;
                }
            }
        })
        .detach();
        let meter = job.meter();
        for expected in 0.. {
            if receiver.recv_async().await != Ok(expected) {
                return Err(wrong("another number was received"));
            }
            if !meter.tick() {
                break;
            }
        }
        meter.sample()
    })?
}
