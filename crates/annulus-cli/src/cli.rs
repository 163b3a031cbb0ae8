//! The command line: which subcommands there are.
//!
//! Owns the list alone; the arguments of a subcommand are defined in its module, next to their use.

use clap::{Parser, Subcommand};

use crate::{bench, doctor, echo, load, serve};

/// io_uring for Rust, whole.
#[derive(Parser, Debug)]
#[command(name = "annulus", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands, in the order of the help text.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say what io_uring can do on this system, and if it is refused, why and what helps.
    Doctor(doctor::Args),
    /// Serve the files beneath a directory over HTTP/1.1, or over HTTPS with HTTP/2.
    Serve(serve::Args),
    /// Send back over TCP whatever comes, on one core or on several.
    Echo(echo::Args),
    /// Load a server with requests, and tell how long its answers take.
    Load(load::Args),
    /// Measure the runtime beside a hand-written ring loop, on this machine.
    Bench(bench::Args),
    /// A process that `bench` starts.
    #[command(hide = true, name = bench::CHILD)]
    BenchChild(bench::ChildArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn doctor_takes_json() {
        let cli = Cli::try_parse_from(["annulus", "doctor", "--json"]).unwrap();
        assert!(matches!(cli.command, Command::Doctor(args) if args.json));
    }
}
