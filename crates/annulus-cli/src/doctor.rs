//! `annulus doctor`: what io_uring can do here, and if it is refused, why and what helps.
//!
//! Owns: the order of things (attempt, gather, render, print) and the exit code: 0 if the runtime
//! can run here, 1 if not. Does not own: the facts of a refusal (`annulus_ring::diagnose`).
//!
//! | module | owns |
//! |---|---|
//! | `attempt` | a ring in a child process, for filters that kill |
//! | `report` | what was found, as plain data, and its gathering |
//! | `tables` | the rows of the report, from the ring's capabilities |
//! | `text` | the report for people |
//! | `json` | the report for programs |

mod attempt;
mod json;
mod report;
mod tables;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use self::report::{Report, Verdict};

/// Arguments of `annulus doctor`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Exit code: 0 if the runtime can run here, 1 if not.")]
pub struct Args {
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,

    /// Only try to make a ring, and say nothing: the child process of a cautious doctor.
    #[arg(long, hide = true)]
    attempt: bool,
}

/// Examines this system and prints the report.
///
/// # Errors
/// Standard output could not be written.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    if args.attempt {
        attempt::run();
        return Ok(ExitCode::SUCCESS);
    }
    let report = Report::gather();
    let mut out = io::stdout().lock();
    let text = if args.json {
        json::render(&report)
    } else if out.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        text::coloured(&report)
    } else {
        text::render(&report)
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who closed the pipe has read enough, e.g. `annulus doctor | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result?,
    }
    Ok(match report.verdict() {
        Verdict::Ready => ExitCode::SUCCESS,
        Verdict::RingOnly | Verdict::Refused => ExitCode::FAILURE,
    })
}
