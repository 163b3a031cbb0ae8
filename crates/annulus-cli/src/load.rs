//! `annulus load`: the load generator.
//!
//! ```text
//!   args ──> plan ──> cores, a thread and a ring each ──> tallies ──> table, JSON, SVG
//!                       connections ── exchange ── server
//! ```
//!
//! Owns: the threads, the progress, and what is said at the end. Does not own: the load itself
//! (`core`, `connection`), what is said to the server (`exchange`). TLS would come between a
//! connection and its stream.

mod args;
mod connection;
mod core;
mod exchange;
mod gate;
mod report;
mod server_cpu;
mod svg;
mod tally;
mod target;

pub use args::Args;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use self::args::Plan;
use self::core::{Live, Seat};
use self::gate::Gate;
use self::report::Report;
use self::server_cpu::CpuTime;
use self::tally::Tally;
use crate::listen;
use crate::say::say;
use crate::stop::{self, Stop};

/// How often the progress is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Makes the load, and says what came of it. Fails if nothing was answered.
///
/// # Errors
/// The arguments make no sense together; nobody can be connected to; io_uring is refused; a file
/// cannot be written.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let plan = args.plan()?;
    let address = plan.target.resolve()?;
    // Asked once here, so that what is wrong is said before anything is connected.
    exchange::Question::new(args, &plan.target)?;
    if let Some(warning) = listen::raise_descriptor_limit() {
        say(format_args!("annulus: {warning}"));
    }
    let stop = Stop::default();
    stop::on_signals(stop.clone(), "Stopping.")?;
    let before = args.server_pid.map(CpuTime::of).transpose()?;
    let (tally, interrupted) = load(args, &plan, address, &stop)?;
    let server = match (args.server_pid.map(CpuTime::of).transpose()?, before) {
        (Some(after), Some(before)) => Some(after.since(before)),
        _ => None,
    };
    let report = Report { plan: &plan, tally: &tally, server, interrupted };
    io::stdout().write_all(report.text().as_bytes())?;
    if let Some(file) = &args.json {
        write(file, &format!("{:#}\n", report.json()))?;
    }
    if let Some(file) = &args.svg {
        write(file, &svg::draw(&report))?;
    }
    Ok(if tally.answered > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    std::fs::write(file, text).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", file.display()))
    })
}

/// Runs the cores; gives what all of them have, and whether they were stopped.
fn load(args: &Args, plan: &Plan, address: SocketAddr, stop: &Stop) -> io::Result<(Tally, bool)> {
    let gate = Gate::new(plan.cores);
    let lives: Vec<Live> = (0..plan.cores).map(|_| Live::default()).collect();
    let bar = if args.quiet { ProgressBar::hidden() } else { progress(plan) };
    thread::scope(|scope| {
        let (ended, tallies) = mpsc::channel();
        let (mut all, mut failed) = (Tally::new(), None);
        for (index, live) in (0..plan.cores).zip(&lives) {
            let (gate, ended) = (&gate, ended.clone());
            let seat = Seat { args, plan, address, index, gate, stop, live };
            let work = move || {
                // The receiver is there until all have ended.
                let _ = ended.send(seat.run());
            };
            let thread = thread::Builder::new().name(format!("annulus-load-{index}"));
            if let Err(error) = thread.spawn_scoped(scope, work) {
                let text = format!("cannot start a thread for core {index}: {error}");
                failed = Some(io::Error::new(error.kind(), text));
                // Those that are there already wait for it.
                gate.give_up();
                stop.trigger();
                break;
            }
        }
        drop(ended);
        let begin = Instant::now();
        loop {
            match tallies.recv_timeout(SHOWN_EVERY) {
                Ok(Ok(tally)) => all.merge(tally),
                Ok(Err(error)) => {
                    failed = failed.or(Some(error));
                    stop.trigger();
                }
                Err(RecvTimeoutError::Timeout) => show(&bar, &lives, (plan, begin.elapsed())),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        bar.finish_and_clear();
        match failed {
            Some(error) => Err(error),
            None => Ok((all, stop.is_requested())),
        }
    })
}

/// A bar of time if that ends the run, else of requests. Nothing where nobody looks.
fn progress(plan: &Plan) -> ProgressBar {
    let length = match (plan.duration, plan.requests) {
        (Some(duration), _) => duration.as_millis() as u64,
        (None, requests) => requests.unwrap_or(0),
    };
    let template = "{wide_bar} {msg}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

fn show(bar: &ProgressBar, lives: &[Live], (plan, elapsed): (&Plan, Duration)) {
    // ORDERING: Relaxed, both; numbers for people.
    let ended = lives.iter().map(|live| live.ended.load(Ordering::Relaxed)).sum::<u64>();
    // ORDERING: as above.
    let failed = lives.iter().map(|live| live.failed.load(Ordering::Relaxed)).sum::<u64>();
    bar.set_position(match plan.duration {
        Some(_) => elapsed.as_millis() as u64,
        None => ended,
    });
    let per_second = ended as f64 / elapsed.as_secs_f64().max(1e-9);
    let errors = if failed > 0 { format!(", {failed} errors") } else { String::new() };
    bar.set_message(format!("{ended} requests, {} a second{errors}", report::amount(per_second)));
}
