//! User-space instructions per operation, with callgrind.
//!
//! Owns: running a program twice, with one and with two lots of operations; the difference leaves
//! out what starting takes. Repeatable, unlike any time.

use std::io;
use std::path::PathBuf;

use super::process::Process;
use super::program::Program;
use crate::{Job, Kind, Workload};

/// Operations of one lot.
const LOT: u64 = 20_000;
/// Requests of one lot.
const REQUESTS: u64 = 4_000;

/// Whether valgrind is installed.
pub fn is_possible() -> bool {
    std::process::Command::new("valgrind").arg("--version").output().is_ok()
}

/// Whether they can be told apart from those of other phases.
pub fn are_countable(workload: &Workload) -> bool {
    workload.group != "time"
}

/// Counts them.
///
/// # Errors
/// The program fails; valgrind does not say a count.
pub fn count(program: &Program, load: &Program, workload: &Workload, job: &Job) -> io::Result<f64> {
    let lot = if workload.kind == Kind::Server { REQUESTS } else { LOT };
    let mut counts = [0; 2];
    for (count, ops) in counts.iter_mut().zip([lot, 2 * lot]) {
        let job = Job { ops: Some(ops), ..job.clone() };
        let mut process = Process::start(&under_valgrind(program), &job)?;
        if workload.kind == Kind::Server {
            let address = process.address()?;
            let asking =
                Job { workload: workload.load.to_owned(), cpu: job.other_cpu, address, ..job };
            let mut load = Process::start(load, &asking)?;
            load.hear_field("ready")?;
            load.nudge()?;
            load.sample()?;
        } else {
            process.sample()?;
        }
        let text = process.last_words()?;
        *count = collected(&text)
            .ok_or_else(|| io::Error::other(format!("valgrind has not said a count: {text}")))?;
    }
    Ok((counts[1] as f64 - counts[0] as f64) / lot as f64)
}

fn under_valgrind(program: &Program) -> Program {
    let mut before: Vec<String> =
        ["--tool=callgrind", "--callgrind-out-file=/dev/null"].map(str::to_owned).to_vec();
    before.push(program.path.display().to_string());
    before.extend(program.before.iter().cloned());
    Program { path: PathBuf::from("valgrind"), before, ..program.clone() }
}

/// The count in what callgrind prints.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_prints() {
        let text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(collected(text), Some(1_234_567));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
