//! Many timers at once.

use std::io;

use annulus::runtime::Runtime;
use annulus::time::sleep;

use crate::{Job, Sample, timers};

pub fn run(job: &Job) -> io::Result<Sample> {
    Runtime::new()?.block_on(timers::run(job, sleep))
}
