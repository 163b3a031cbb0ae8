//! `annulus bench`: the runtime beside hand-written ring loops, the limit.
//!
//! Owns: which programs are compared. Each is this program, started again with a hidden subcommand.
//! Does not own: the workloads, the rounds, the tables (`annulus-bench`), which the comparison with
//! other runtimes in `bench/` uses as well.

use std::io;
use std::process::ExitCode;

use annulus_bench::driver::{self, OURS, Options, Program};
use annulus_bench::{Workload, limit, main_of, ours};

/// The hidden subcommand of measured processes.
pub const CHILD: &str = "bench-child";

/// Arguments of `annulus bench`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "What decides is CPU time per operation, user and system, of the whole process; \
                  a ratio inside the noise band or the scatter of the rounds prints as \"same\". \
                  Figures of a machine that does other work, or of a program built without \
                  --release, mean little. --list names the workloads. The same beside other \
                  runtimes: bench/ in the source tree."
)]
pub struct Args {
    #[command(flatten)]
    options: Options,

    /// Lists the workloads and ends.
    #[arg(long)]
    list: bool,
}

/// Arguments of a measured process: which program, and what the driver asks of it.
#[derive(clap::Args, Debug)]
pub struct ChildArgs {
    program: Child,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// What a measured process is.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Child {
    Annulus,
    Limit,
    Load,
}

/// Name, program, variant, and the only workloads it takes part in.
type Entry = (&'static str, Child, &'static str, &'static [&'static str]);

/// Where ways of waiting tell themselves apart.
const LONELY: &[&str] = &["echo-1"];

/// Where the resolution of timers does.
const FIRING: &[&str] = &["timer-fire"];

/// Where the size of a buffer does.
const LARGE: &[&str] = &["echo-64k-1", "echo-64k", "echo-64k-1000", "echo-64k-8000"];

/// Where a loop can register files and buffers; elsewhere it would be the same again.
const REGISTERING: &[&str] =
    &["read-1", "read-32", "direct-1", "direct-32", "direct-128", "cat", "copy"];

/// Where ways of accepting do.
const SHARED: &[&str] = &["accept-1", "accept-1000"];

const ENTRIES: &[Entry] = &[
    (OURS, Child::Annulus, "", &[]),
    ("annulus-spin", Child::Annulus, "spin", LONELY),
    ("annulus-slack", Child::Annulus, "slack", FIRING),
    ("annulus-no-tick", Child::Annulus, "no-tick", LONELY),
    ("annulus-buffers-16k", Child::Annulus, "buffers-16k", LARGE),
    ("annulus-per-core", Child::Annulus, "per-core", SHARED),
    ("annulus-steered", Child::Annulus, "steered", SHARED),
    ("annulus-round-robin", Child::Annulus, "round-robin", SHARED),
    ("annulus-least", Child::Annulus, "least-connections", SHARED),
    ("limit", Child::Limit, "", &[]),
    ("limit-fixed", Child::Limit, "registered", REGISTERING),
    ("limit-spin", Child::Limit, "spin", LONELY),
    ("limit-tick", Child::Limit, "tick", LONELY),
];

/// Measures, and prints a table for each workload as soon as it is measured.
///
/// # Errors
/// An unknown workload, a file that cannot be read or written.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    if args.list {
        print!("{}", driver::list_workloads(is_run));
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) {
        println!("note: built without --release; the figures mean nothing");
    }
    let load = program(&("load", Child::Load, "", &[]))?;
    let programs = || ENTRIES.iter().map(|entry| program(entry)?.asked()).collect();
    driver::run(&args.options, programs, &load)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether one of these programs takes part: `bench/` has workloads that none does.
fn is_run(workload: &Workload) -> bool {
    let mut programs = ours::PROGRAMS.iter().chain(limit::PROGRAMS);
    programs.any(|(family, _)| *family == workload.family)
}

fn program(&(name, child, variant, only): &Entry) -> io::Result<Program> {
    let word = match child {
        Child::Annulus => "annulus",
        Child::Limit => "limit",
        Child::Load => "load",
    };
    Ok(Program {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        path: std::env::current_exe()?,
        before: vec![CHILD.to_owned(), word.to_owned()],
        variant: variant.to_owned(),
        only: only.iter().map(|&name| name.to_owned()).collect(),
        ..Program::default()
    })
}

/// A measured process.
///
/// # Errors
/// None: what fails is said on standard error, and the exit code tells.
pub fn run_child(args: &ChildArgs) -> io::Result<ExitCode> {
    let workloads = match args.program {
        Child::Annulus => ours::PROGRAMS,
        Child::Limit => limit::PROGRAMS,
        Child::Load => limit::LOADS,
    };
    Ok(main_of(workloads, args.arguments.clone()))
}

#[cfg(test)]
mod tests {
    use annulus_bench::WORKLOADS;

    use super::*;

    /// A row that its program does not know would be skipped each time.
    #[test]
    fn each_program_knows_its_variant_in_the_workloads_that_are_its() {
        for &(name, child, variant, only) in ENTRIES {
            let knows = match child {
                Child::Annulus => ours::knows,
                Child::Limit => limit::knows,
                Child::Load => panic!("{name} is no row"),
            };
            assert!(variant.is_empty() || !only.is_empty(), "{name} is {variant:?} of what?");
            for asked in only {
                let workload = WORKLOADS.iter().find(|workload| workload.name == *asked);
                let family = workload.expect("a workload of the catalogue").family;
                assert!(knows(family, variant), "{name}: no {variant:?} of {family}");
            }
        }
    }
}
