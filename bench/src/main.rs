//! Every peer side by side: one command that builds them, runs them in rounds, and shows what came.
//!
//! Owns: the list of peers, and their building. Does not own: rounds, tables, charts; `annulus
//! bench` does the same without peers, with the same driver.

mod peers;

use std::io;
use std::process::ExitCode;

use annulus_bench::driver::{self, Options, Program};
use clap::Parser;

/// Measures every peer beside Annulus, on this machine.
#[derive(Parser, Debug)]
#[command(after_help = "Names of workloads, families, groups and peers: see --list.")]
struct Args {
    #[command(flatten)]
    options: Options,

    /// Which programs, separated by commas; all if not given.
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    peers: Vec<String>,

    /// Builds the peers and ends.
    #[arg(long, conflicts_with = "no_build")]
    build: bool,

    /// Takes the programs as they were built before.
    #[arg(long)]
    no_build: bool,

    /// Lists workloads and peers and ends.
    #[arg(long)]
    list: bool,
}

/// The first argument of the process that is the other side of servers.
const LOAD: &str = "load";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(LOAD) {
        let loads = [annulus_bench::limit::LOADS, annulus_bench::limit::TLS_LOADS].concat();
        return annulus_bench::main_of(&loads, arguments.collect());
    }
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    if args.list {
        print!("workloads:\n{}peers:\n{}", driver::list_workloads(|_| true), peers::list());
        return Ok(());
    }
    let wanted = peers::named(&args.peers)?;
    let build = !args.no_build && args.options.from.is_empty();
    if build && wanted.iter().any(|peer| peer.package == driver::OURS) {
        peers::build_started(&driver::chosen(&args.options)?);
    }
    if args.build {
        return peers::programs(&wanted, true).map(drop);
    }
    let load = Program {
        name: LOAD.to_owned(),
        path: std::env::current_exe()?,
        before: vec![LOAD.to_owned()],
        ..Program::default()
    };
    driver::run(&args.options, || peers::programs(&wanted, !args.no_build), &load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
