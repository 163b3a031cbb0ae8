//! Copies a file, with a buffer as everyone else; inside the kernel: `copy_default`.

use std::fs::File;
use std::io::{self, Read, Write};

use annulus_bench::pages::{self, FILE_MIB};
use annulus_bench::{Job, Sample, Scratch};

pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let meter = job.meter();
    let mut buf = vec![0; job.bytes];
    loop {
        let mut from = File::open(&job.file)?;
        let mut to = File::create(scratch.path())?;
        loop {
            let n = from.read(&mut buf)?;
            if n == 0 {
                break;
            }
            to.write_all(&buf[..n])?;
        }
        if !meter.ticks(FILE_MIB) {
            pages::check_copy(scratch.path())?;
            return meter.sample();
        }
    }
}
