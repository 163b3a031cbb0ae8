//! A number that goes to another thread and comes back: two executors, and `shared_channel` between
//! them.

use std::io;
use std::thread;

use annulus_bench::{Job, Sample, wrong};
use glommio::channels::shared_channel;

pub fn run(job: &Job) -> io::Result<Sample> {
    let (there, theirs) = shared_channel::new_bounded(1);
    let (back, ours) = shared_channel::new_bounded(1);
    let asked = job.clone();
    let other = thread::spawn(move || {
        asked.pin_other()?;
        super::run(async move {
            let (theirs, back) = (theirs.connect().await, back.connect().await);
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
        let (there, ours) = (there.connect().await, ours.connect().await);
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
