//! A cache in memory: nothing is written to disk, and one thread answers, which is its default.

use std::io;
use std::process::Command;

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    annulus_bench::serve_program(|address| {
        let mut command = Command::new("redis-server");
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(&job.directory);
        command
    })
}
