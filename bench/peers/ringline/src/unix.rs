//! A server on Unix sockets that sends back whatever comes: the one of `echo`, at a path.

use std::io;

use annulus_bench::{Job, Sample};
use ringline::RinglineBuilder;

use crate::echo::{Copied, join};

pub fn run(job: &Job) -> io::Result<Sample> {
    annulus_bench::serve_unix_at(job, |path| {
        let builder = RinglineBuilder::new(super::build(super::config())?).bind_unix(path);
        let (_shutdown, workers) = builder.launch::<Copied>().map_err(super::error)?;
        join(workers)
    })
}
