//! A process that is measured, or that loads one: this program, started again.
//!
//! Owns: the hidden subcommand and what is said over the pipes:
//!
//! | process | says | hears |
//! |---|---|---|
//! | nop, read | `sample OPS CPU_NS WALL_NS` | |
//! | echo server | `listening ADDRESS`, then `cpu NS` for each line | a line; the end ends it |
//! | load | `ready`, then `sample OPS 0 WALL_NS P50_NS P99_NS` | `go` |
//!
//! Invariant: no process outlives its measurement, because each has an alarm, or ends with its
//! input.

use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::limit::{self, sys};
use super::meter::{Latency, Meter, Sample};
use super::ours;
use super::pages::Pages;

/// What a process does.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    NopLimit,
    NopOurs,
    ReadLimitRegistered,
    ReadLimit,
    ReadOurs,
    EchoLimit,
    EchoOurs,
    Load,
}

/// Arguments of the hidden subcommand.
#[derive(clap::Args, Debug)]
pub struct Args {
    program: Program,
    /// Operations in flight, or connections.
    #[arg(long, default_value_t = 1)]
    parallel: u32,
    #[arg(long)]
    cpu: Option<usize>,
    #[arg(long, default_value = "1", value_parser = super::seconds)]
    seconds: Duration,
    /// So many operations instead of so many seconds.
    #[arg(long)]
    ops: Option<u64>,
    #[arg(long, default_value = "/dev/null")]
    file: PathBuf,
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    #[arg(long, default_value_t = 0)]
    spin: u64,
    #[arg(long)]
    tick: bool,
}

/// Seconds after which a process that should have ended is ended.
const GRACE: u32 = 60;
/// Valgrind is fifty times slower.
const GRACE_COUNTED: u32 = 600;

/// Does what the arguments say.
///
/// # Errors
/// Whatever fails; the parent process then sees the end of the pipe.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    if let Some(cpu) = args.cpu {
        sys::pin(cpu)?;
    }
    let (window, parallel) = (args.seconds, args.parallel);
    if !matches!(args.program, Program::EchoLimit | Program::EchoOurs) {
        let grace = args.ops.map_or(GRACE, |_| GRACE_COUNTED);
        sys::alarm(2 * window.as_secs() as u32 + grace);
    }
    let meter = args.ops.map_or_else(|| Meter::timed(window), Meter::counted);
    let pages = Pages::at(&args.file);
    let meter = match args.program {
        Program::NopLimit => limit::nop::run(&meter, parallel).map(|()| meter),
        Program::NopOurs => ours::nop(meter, parallel),
        Program::ReadLimit => limit::read::run(&meter, parallel, &pages, false).map(|()| meter),
        Program::ReadLimitRegistered => {
            limit::read::run(&meter, parallel, &pages, true).map(|()| meter)
        }
        Program::ReadOurs => ours::read(meter, parallel, pages),
        Program::EchoLimit | Program::EchoOurs => return serve(args),
        Program::Load => return load(args),
    }?;
    say(&meter.sample()?.to_line())?;
    Ok(ExitCode::SUCCESS)
}

fn serve(args: &Args) -> io::Result<ExitCode> {
    annulus::runtime::raise_descriptor_limit()?;
    let listener = TcpListener::bind(args.address)?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().spawn(answer_for_cpu_time)?;
    say(&format!("listening {address}"))?;
    let waiting = limit::echo::Waiting { spin: Duration::from_micros(args.spin), tick: args.tick };
    if args.program == Program::EchoOurs {
        ours::echo(listener, waiting)?;
    } else {
        limit::echo::run(listener, args.parallel, waiting)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives the CPU time of this process for each line of input; ends the process with its input.
fn answer_for_cpu_time() {
    let answered = io::stdin().lines().try_for_each(|line| {
        line?;
        say(&format!("cpu {}", sys::cpu_time_ns()))
    });
    std::process::exit(i32::from(answered.is_err()));
}

fn load(args: &Args) -> io::Result<ExitCode> {
    annulus::runtime::raise_descriptor_limit()?;
    let mut load = limit::load::Load::connect(args.address, args.parallel)?;
    load.run(args.seconds / 10)?;
    say("ready")?;
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    let sample = load.run(args.seconds)?;
    say(&sample.to_line())?;
    Ok(ExitCode::SUCCESS)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// What a process is started with.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub program: Program,
    pub parallel: u32,
    pub seconds: Duration,
    pub ops: Option<u64>,
    pub cpu: Option<usize>,
    pub file: Option<&'a Path>,
    pub address: Option<SocketAddr>,
    pub spin_us: u64,
    pub tick: bool,
}

impl Order<'_> {
    /// The arguments that [`Args`] reads.
    pub fn to_arguments(self) -> Vec<String> {
        use clap::ValueEnum;
        let program = self.program.to_possible_value();
        let program = program.map_or(String::new(), |value| value.get_name().to_owned());
        let mut arguments = vec![
            super::CHILD.to_owned(),
            program,
            format!("--parallel={}", self.parallel),
            format!("--seconds={}", self.seconds.as_secs_f64()),
            format!("--spin={}", self.spin_us),
        ];
        arguments.extend(self.ops.map(|ops| format!("--ops={ops}")));
        arguments.extend(self.cpu.map(|cpu| format!("--cpu={cpu}")));
        arguments.extend(self.file.map(|file| format!("--file={}", file.display())));
        arguments.extend(self.address.map(|address| format!("--address={address}")));
        arguments.extend(self.tick.then(|| "--tick".to_owned()));
        arguments
    }
}

impl Sample {
    fn to_line(self) -> String {
        let line = format!("sample {} {} {}", self.ops, self.cpu_ns, self.wall_ns);
        match self.latency {
            Some(Latency { p50_ns, p99_ns }) => format!("{line} {p50_ns} {p99_ns}"),
            None => line,
        }
    }

    /// Reads what a process has said.
    pub fn from_line(line: &str) -> Option<Self> {
        let numbers = line.strip_prefix("sample ")?.split(' ').map(str::parse);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
        let (ops, cpu_ns, wall_ns, latency) = match *numbers {
            [ops, cpu_ns, wall_ns] => (ops, cpu_ns, wall_ns, None),
            [ops, cpu_ns, wall_ns, p50_ns, p99_ns] => {
                (ops, cpu_ns, wall_ns, Some(Latency { p50_ns, p99_ns }))
            }
            _ => return None,
        };
        Some(Self { ops, cpu_ns, wall_ns, latency })
    }
}

#[cfg(test)]
mod tests;
