//! Numbers through `flume` between two tasks: monoio has no channels, and those of `local-sync`, by
//! its authors, panic when they are full (0.1.1).

use std::io;

use annulus_bench::{CHANNEL_CAPACITY, Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let (sender, receiver) = flume::bounded(CHANNEL_CAPACITY);
        monoio::spawn(async move {
            for number in 0u64.. {
                if sender.send_async(number).await.is_err() {
                    return;
                }
            }
        });
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
