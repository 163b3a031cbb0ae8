//! Rounds: each row of a case once, side by side, in turns forward and backward.
//!
//! Owns: which process runs on which CPU, and what a round asks of it. Each row of each round is a
//! new process, so that where it happens to lie in memory is part of the noise that is seen.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::case::{Case, Row, Workload};
use super::child::{Order, Program};
use super::limit::sys;
use super::meter::Sample;
use super::pages::Pages;
use super::process::Process;

/// How long, how often, where.
#[derive(Debug)]
pub struct Plan {
    pub rounds: u32,
    pub window: Duration,
    pub cpus: Cpus,
}

/// The CPUs of what is measured and of its load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpus {
    pub measured: usize,
    pub load: usize,
}

impl Cpus {
    /// The last allowed one is measured, because the first is where interrupts tend to go.
    ///
    /// # Errors
    /// Those of sched_getaffinity(2).
    pub fn choose() -> io::Result<Self> {
        let allowed = sys::allowed_cpus()?;
        match (allowed.first(), allowed.last()) {
            (Some(&load), Some(&measured)) => Ok(Self { measured, load }),
            _ => Err(io::Error::other("this process may run nowhere")),
        }
    }
}

/// The samples of each row of a case, round by round.
///
/// # Errors
/// A process cannot be started, or fails.
pub fn samples(case: &Case, plan: &Plan, pages: &Pages) -> io::Result<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::new(); case.rows.len()];
    for round in 0..plan.rounds {
        let mut order: Vec<usize> = (0..case.rows.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for row in order {
            let label = case.rows[row].label;
            progress(&format!("{}: round {} of {}: {label}", case.title, round + 1, plan.rounds));
            let sample = sample(case, &case.rows[row], plan, pages);
            progress("");
            samples[row].push(sample.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {label}: {error}", case.title))
            })?);
        }
    }
    Ok(samples)
}

fn sample(case: &Case, row: &Row, plan: &Plan, pages: &Pages) -> io::Result<Sample> {
    let order = Order {
        program: row.program,
        parallel: case.parallel,
        seconds: plan.window,
        ops: None,
        cpu: Some(plan.cpus.measured),
        file: Some(pages.path()),
        address: None,
        spin_us: row.spin_us,
        tick: row.tick,
    };
    if case.workload == Workload::Echo {
        return echo_sample(order, plan.cpus.load);
    }
    Process::start(order)?.sample()
}

/// The server is idle when its CPU time is read, before and after.
fn echo_sample(order: Order<'_>, load_cpu: usize) -> io::Result<Sample> {
    let mut server = Process::start(order)?;
    let address = server.hear("listening")?;
    let address = address.parse().map_err(io::Error::other)?;
    let mut load = Process::start(Order {
        program: Program::Load,
        cpu: Some(load_cpu),
        address: Some(address),
        ..order
    })?;
    load.hear("ready")?;
    let before_ns = server.cpu_ns()?;
    load.say("go")?;
    let sample = load.sample()?;
    let cpu_ns = server.cpu_ns()? - before_ns;
    Ok(Sample { cpu_ns, ..sample })
}

/// Says on a terminal what is being done; an empty text takes it away.
pub fn progress(text: &str) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        // Who cannot be told goes without.
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }
}
