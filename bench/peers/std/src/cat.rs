//! Reads a file from its beginning to its end, again and again.

use std::fs::File;
use std::io::{self, Read};

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let meter = job.meter();
    let mut buf = vec![0; job.bytes];
    loop {
        let mut file = File::open(&job.file)?;
        loop {
            let n = file.read(&mut buf)?;
            if n == 0 {
                break;
            }
            if !meter.tick() {
                return meter.sample();
            }
        }
    }
}
