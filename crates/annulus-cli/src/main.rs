//! The program `annulus`: what io_uring can do here, shown from the command line.
//!
//! Owns: the dispatch from a subcommand to its module, and the exit code. Does not own: any
//! subcommand; each is one module with its `Args` and a `run(&Args) -> io::Result<ExitCode>`.
//! Invariant: an error of a subcommand is printed whole, on standard error, and exits with 1; clap
//! exits with 2 on misuse.

#![forbid(unsafe_code)]

mod bench;
mod cli;
mod doctor;
mod echo;
mod listen;
mod load;
mod say;
mod serve;
mod stop;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Doctor(args) => doctor::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Echo(args) => echo::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::BenchChild(args) => bench::run_child(&args),
    };
    result.unwrap_or_else(|error| {
        say::say(format_args!("annulus: {error}"));
        ExitCode::FAILURE
    })
}
