//! Programs beside each other: rounds, tables, JSON, charts.
//!
//! ```text
//!   for each workload: for each round: each program once, forward and backward
//!                                          │
//!      table, JSON, charts <── medians <── a sample of a fresh process
//! ```
//!
//! What decides is CPU time per operation, user and system, of the whole measured process:
//! wall-clock figures of a shared machine are noise. One program runs twice in each round; what it
//! shows against itself is the band inside which nothing is claimed.
//!
//! | module | owns |
//! |---|---|
//! | `choice` | what the command line names |
//! | `program` | what is run |
//! | `process`, `rounds` | running it |
//! | `instructions` | running it under callgrind |
//! | `report`, `json`, `chart` | showing what came |
//! | `machine` | what the figures are of |

mod chart;
mod choice;
mod instructions;
mod json;
mod machine;
mod process;
mod program;
mod report;
mod rounds;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Workload;

pub use choice::{list_workloads, named};
pub use program::{OURS, Program};

/// What both `annulus bench` and the workspace `bench/` take.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// What to run, by name, family or group; everything if nothing is named.
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<String>,

    /// How often each program runs.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// How long each program runs in a round.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub seconds: Duration,

    /// Counts user instructions, system calls and allocations per operation besides, with valgrind.
    #[arg(long)]
    pub instructions: bool,

    /// Writes all samples, as far as they are there, after each workload.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draws a chart of each workload.
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,

    /// Shows what --json has written into these files, instead of measuring; of a workload that is
    /// in several, the last.
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
}

/// A length of time in seconds, from the command line.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not between 0.001 and 3600".to_owned())
    }
}

/// The workloads that are named.
///
/// # Errors
/// `InvalidInput`, with those that there are, for an unknown name.
pub fn chosen(options: &Options) -> io::Result<Vec<Workload>> {
    choice::workloads(&options.workloads)
}

/// Measures, and prints each table as soon as it is there. `programs` says what is run, and is
/// asked only if something is; `load` is the other side of servers.
///
/// # Errors
/// An unknown workload, no program, a file that cannot be read or written. A program that fails is
/// no error: the table says it.
pub fn run(
    options: &Options,
    programs: impl FnOnce() -> io::Result<Vec<Program>>,
    load: &Program,
) -> io::Result<()> {
    let workloads = choice::workloads(&options.workloads)?;
    let results = if options.from.is_empty() {
        let plan = rounds::Plan::new(options)?;
        rounds::run(&workloads, &programs()?, load, &plan)?
    } else {
        let mut results = json::read_all(&options.from)?;
        results.tables.retain(|table| workloads.contains(&table.workload));
        print!("{}", results.machine.describe());
        results.tables.iter().for_each(|table| print!("\n{}", report::table(table)));
        results
    };
    print!("{}", report::losses(&results));
    if let Some(file) = &options.json {
        json::write(&results, file)?;
    }
    if let Some(directory) = &options.svg {
        chart::write_all(&results, directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_bounded_and_may_be_fractions() {
        assert_eq!(seconds("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(seconds("2"), Ok(Duration::from_secs(2)));
        for text in ["0", "-1", "nan", "inf", "1e9", "", "2s"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }
}
