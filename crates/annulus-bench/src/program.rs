//! A measured program's `main`: from arguments to a line of JSON.
//!
//! Owns: finding the workload, pinning, the alarm. Invariant: no program outlives its measurement,
//! because each has an alarm, or ends with its input.

use std::process::ExitCode;

use crate::{Job, Sample, sys};

/// A workload of a program.
pub type Run = fn(&Job) -> std::io::Result<Sample>;

/// Seconds after which a program that should have ended is ended.
const GRACE: u32 = 60;
/// Valgrind is fifty times slower.
const GRACE_COUNTED: u32 = 600;

/// Loads whose connections are looked at, from the other side, when they have said what it took:
/// they end with their input.
const STAYING: &[&str] = &["idle", "crowd"];

/// Does what the arguments of the process say.
pub fn main(workloads: &[(&str, Run)]) -> ExitCode {
    main_of(workloads, std::env::args().skip(1).collect())
}

/// Does what these arguments say: `--list` prints the families that the program takes part in; a
/// job prints its sample. An error goes to standard error.
pub fn main_of(workloads: &[(&str, Run)], arguments: Vec<String>) -> ExitCode {
    if arguments == ["--list"] {
        workloads.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let result = Job::from_arguments(arguments).and_then(|job| {
        let stays = STAYING.contains(&job.workload.as_str());
        let found = workloads.iter().find(|(name, _)| *name == job.workload);
        let Some((_, run)) = found else {
            return Err(std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                format!("no workload {:?} in this program", job.workload),
            ));
        };
        job.pin()?;
        let grace = job.ops.map_or(GRACE, |_| GRACE_COUNTED);
        sys::alarm(2 * job.window.as_secs() as u32 + grace);
        run(&job).map(|sample| (sample, stays))
    });
    match result {
        Ok((sample, stays)) => {
            println!("{}", sample.to_json());
            if stays {
                // Its connections with it.
                let _ = std::io::stdin().lines().last();
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
