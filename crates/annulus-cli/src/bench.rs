//! `annulus bench`: the runtime beside a hand-written ring loop, the limit.
//!
//! ```text
//!   bench ── starts ──> a measured process (its own CPU) <── TCP ── a load (another CPU)
//!     └─ for each round: limit, annulus, annulus again; then backward
//! ```
//!
//! What decides is CPU time per operation, user and system, of the whole measured process:
//! wall-clock figures of a shared machine are noise. Each program runs in each round, rounds are
//! compared pair by pair, and what annulus shows against itself is the band inside which nothing is
//! claimed. Neither is anything claimed of a ratio that its own rounds scatter around 1.
//!
//! | module | owns |
//! |---|---|
//! | `case` | what is compared with what |
//! | `measure` | rounds |
//! | `process`, `child` | a measured process, seen from outside and from inside |
//! | `ours`, `limit` | the programs; `limit` is the one place of unsafe code |
//! | `meter`, `pages` | what both of them share |
//! | `stats`, `report`, `table` | figures, pure |
//! | `instructions` | the same programs under callgrind |

mod case;
pub mod child;
mod instructions;
mod limit;
mod measure;
mod meter;
mod ours;
mod pages;
mod process;
mod report;
mod stats;
mod table;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;

use self::case::Workload;
use self::measure::{Cpus, Plan};
use self::pages::Pages;

/// The hidden subcommand of measured processes.
pub const CHILD: &str = "bench-child";

/// Arguments of `annulus bench`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Ratios compare CPU time per operation, user and system, of the whole process, \
                  round by round; the middle one is shown, or \"same\" inside the noise band or \
                  the scatter of the rounds. Figures of a machine that does other work, or of a \
                  program built without --release, mean little."
)]
pub struct Args {
    /// What to run; everything if nothing is named.
    #[arg(value_name = "WORKLOAD", value_enum)]
    workloads: Vec<Workload>,

    /// How often each program runs.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// How long each program runs in a round.
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    seconds: Duration,

    /// Count user instructions per operation with valgrind instead (nop and read).
    #[arg(long)]
    instructions: bool,
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

/// Measures, and prints a table for each case as soon as it is measured.
///
/// # Errors
/// A measured process fails, io_uring is refused, valgrind is needed and missing.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let workloads = chosen(args)?;
    let plan = Plan { rounds: args.rounds, window: args.seconds, cpus: Cpus::choose()? };
    introduce(args, &plan);
    let pages = Pages::make()?;
    for case in workloads.into_iter().flat_map(case::cases) {
        let table = if args.instructions {
            instructions::table(&case, &pages)?
        } else {
            let samples = measure::samples(&case, &plan, &pages)?;
            report::table(&case, &samples)
        };
        print!("\n{table}");
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(args: &Args) -> io::Result<Vec<Workload>> {
    let countable = |workload: &Workload| *workload != Workload::Echo;
    let mut workloads = args.workloads.clone();
    if workloads.is_empty() {
        workloads = Workload::value_variants().to_vec();
        workloads.retain(|workload| !args.instructions || countable(workload));
    }
    if args.instructions && !workloads.iter().all(countable) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "--instructions counts nop and read; what an echo takes depends on its peer",
        ));
    }
    Ok(workloads)
}

/// Says what the figures are of, and what is wrong with them.
fn introduce(args: &Args, plan: &Plan) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    println!("Linux {}", read("/proc/sys/kernel/osrelease").trim());
    if cfg!(debug_assertions) {
        println!("note: built without --release; the figures mean nothing");
    }
    if args.instructions {
        return;
    }
    let Cpus { measured, load } = plan.cpus;
    println!(
        "{} rounds of {} s; measured on CPU {measured}, load on CPU {load}",
        plan.rounds,
        plan.window.as_secs_f64()
    );
    if measured == load {
        println!("note: there is one CPU only, which server and load must share");
    }
    let busy = read("/proc/loadavg");
    let busy = busy.split(' ').next().and_then(|load| load.parse().ok());
    if let Some(busy) = busy.filter(|&load: &f64| load > 0.5) {
        println!("note: this machine does other work (load average {busy})");
    }
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

    #[test]
    fn instructions_are_counted_of_what_can_be_counted() {
        let args = |workloads: &[Workload]| Args {
            workloads: workloads.to_vec(),
            rounds: 1,
            seconds: Duration::from_secs(1),
            instructions: true,
        };
        let all = chosen(&args(&[])).unwrap();
        assert_eq!(all, [Workload::Nop, Workload::Read]);
        chosen(&args(&[Workload::Echo])).unwrap_err();
    }
}
