//! Reads a file from its beginning to its end, again and again, one block at a time.

use std::fs::File;
use std::io;

use super::block::Block;
use crate::pages::{self, FILE_MIB};
use crate::{Job, Sample};

/// The variant `registered` registers file and buffer.
///
/// # Errors
/// A ring is refused, or fails; wrong bytes were read.
pub fn run(job: &Job) -> io::Result<Sample> {
    let meter = job.meter();
    let mut block = Block::new(job)?;
    loop {
        let file = File::open(&job.file)?;
        let source = block.target(0, &file)?;
        let mut offset = 0;
        loop {
            let n = block.read(source, offset)?;
            if n == 0 {
                break;
            }
            pages::check_block(offset, block.bytes(n))?;
            offset += n as u64;
        }
        block.release(0)?;
        drop(file);
        pages::check_end(offset)?;
        if !meter.ticks(FILE_MIB) {
            return meter.sample();
        }
    }
}
