//! Copies a file, one block at a time: read, then written.

use std::fs::File;
use std::io;

use super::block::Block;
use crate::pages::{self, FILE_MIB};
use crate::{Job, Sample, Scratch, wrong};

/// The variant `registered` registers both files and the buffer.
///
/// # Errors
/// A ring is refused, or fails; the copy is none.
pub fn run(job: &Job) -> io::Result<Sample> {
    let scratch = Scratch::new(job)?;
    let meter = job.meter();
    let mut block = Block::new(job)?;
    loop {
        let (from, to) = (File::open(&job.file)?, File::create(scratch.path())?);
        let (source, sink) = (block.target(0, &from)?, block.target(1, &to)?);
        let mut offset = 0;
        loop {
            let n = block.read(source, offset)?;
            if n == 0 {
                break;
            }
            if block.write(sink, n, offset)? != n {
                return Err(wrong("a short write"));
            }
            offset += n as u64;
        }
        // What closing a file does belongs to the copy, as with everyone else.
        block.release(0)?;
        block.release(1)?;
        drop((from, to));
        if !meter.ticks(FILE_MIB) {
            pages::check_copy(scratch.path())?;
            return meter.sample();
        }
    }
}
