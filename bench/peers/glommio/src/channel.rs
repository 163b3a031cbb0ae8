//! Numbers through `local_channel` between two tasks.

use std::io;

use annulus_bench::{CHANNEL_CAPACITY, Job, Sample, wrong};
use glommio::channels::local_channel;

pub fn run(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let (sender, receiver) = local_channel::new_bounded(CHANNEL_CAPACITY);
        glommio::spawn_local(async move {
            for number in 0u64.. {
                if sender.send(number).await.is_err() {
                    return;
                }
            }
        })
        .detach();
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
