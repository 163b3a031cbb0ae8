//! Files: `annulus serve`, on one core.

use std::io;
use std::process::Command;

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let program = annulus_bench::beside("annulus")?;
    annulus_bench::serve_program(|address| {
        let mut command = Command::new(program);
        command.arg("serve").arg(&job.directory).args(["--cores", "1"]);
        command.args(["--addr", &address.to_string()]);
        command
    })
}
