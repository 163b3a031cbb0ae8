//! A cache: the example `kv`, on one core.

use std::io;
use std::process::Command;

use annulus_bench::{Job, Sample};

pub fn run(_job: &Job) -> io::Result<Sample> {
    let program = annulus_bench::beside("examples/kv")?;
    annulus_bench::serve_program(|address| {
        let mut command = Command::new(program);
        command.args(["--cores", "1", "--addr", &address.to_string()]);
        command
    })
}
