//! A number that goes to another thread and comes back, through `std::sync::mpsc`.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;

use annulus_bench::{Job, Sample, wrong};

pub fn run(job: &Job) -> io::Result<Sample> {
    let (there, theirs) = sync_channel(1);
    let (back, ours) = sync_channel(1);
    let asked = job.clone();
    let other = thread::spawn(move || {
        asked.pin_other()?;
        while let Ok(number) = theirs.recv() {
            if back.send(number + 1).is_err() {
                break;
            }
        }
        io::Result::Ok(())
    });
    let meter = job.meter();
    let mut number = 0u64;
    loop {
        there.send(number).map_err(|_| wrong("the other thread has ended"))?;
        if ours.recv() != Ok(number + 1) {
            return Err(wrong("another number came back"));
        }
        number += 1;
        if !meter.tick() {
            break;
        }
    }
    drop(there);
    other.join().map_err(|_| wrong("the other thread panicked"))??;
    meter.sample()
}
