//! User-space instructions per operation, with callgrind.
//!
//! Owns: running a program twice, with one and with two lots of operations; the difference leaves
//! out what starting takes. Phases that alternate with others tell callgrind themselves what is to
//! be collected, and run once. Repeatable, unlike any time. Invariant: no run takes longer than
//! [`Patience`] has.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::process::{Patience, Process};
use super::program::Program;
use super::rounds::{Served, greet};
use crate::{Address, Job, Kind, Workload};

/// The program that counts.
const VALGRIND: &str = "valgrind";
/// The program that reaches it.
const VGDB: &str = "vgdb";

/// Valgrind runs one thread at a time and takes io_uring_enter(2) for a call that does not block,
/// so a ring that waits there for another thread of its process waits forever. SIGALRM does not
/// reach it either.
const PATIENCE: Patience =
    Patience { still: Duration::from_secs(20), whole: Duration::from_secs(300) };

/// Whether there is an operation to count them for.
pub fn are_countable(workload: &Workload) -> bool {
    // Cores of one process that wait for each other stand still.
    let of_cores = workload.family == "accept";
    workload.kind != Kind::Memory && !workload.is_started() && !of_cores
}

/// Whether it tells callgrind itself what is to be collected.
fn is_phased(workload: &Workload) -> bool {
    workload.group == "time"
}

/// Counts them.
///
/// # Errors
/// Valgrind is not installed, or does not say a count; the program fails, or stands still.
pub fn count(program: &Program, load: &Program, workload: &Workload, job: &Job) -> io::Result<f64> {
    let place = Place::make()?;
    let program = under_valgrind(program, workload, &place.0);
    let counter = Counter { program, load, workload, place: &place.0, patience: PATIENCE };
    counter.count(job)
}

/// What counts the instructions of one program in one workload.
struct Counter<'a> {
    /// It says its count when it ends, or when it is asked.
    program: Program,
    load: &'a Program,
    workload: &'a Workload,
    /// Where callgrind's files are.
    place: &'a Path,
    patience: Patience,
}

impl Counter<'_> {
    fn count(&self, job: &Job) -> io::Result<f64> {
        let once = |ops| self.run(Job { ops: Some(ops), ..job.clone() });
        let lot = self.workload.lot;
        let few = once(lot)?;
        if is_phased(self.workload) {
            return per_operation((0, 0), few);
        }
        per_operation(few, once(2 * lot)?)
    }

    /// Runs the program once: what callgrind has collected, and for how many operations.
    fn run(&self, job: Job) -> io::Result<(u64, u64)> {
        let process = Process::start(&self.program, &job).map_err(not_installed)?;
        let watched = process.id();
        let mut process = process.within(self.patience, watched);
        if self.workload.is_served() {
            return self.served(process, job);
        }
        let sample = process.sample()?;
        let text = process.last_words()?;
        let collected = collected(&text)
            .ok_or_else(|| io::Error::other(format!("valgrind has not said a count: {text}")))?;
        Ok((collected, sample.ops))
    }

    /// The same of a server, which is asked for its count while its connections are silent.
    fn served(&self, mut process: Process, job: Job) -> io::Result<(u64, u64)> {
        let address = Served(process.address()?);
        match address.0 {
            Address::Tcp(address) if self.workload.echoes() => greet(address, job.bytes)?,
            _ => {}
        }
        let asking = Job {
            workload: self.workload.load.to_owned(),
            cpu: job.other_cpu,
            variant: String::new(),
            address: address.0.clone(),
            ..job
        };
        // The load has to wait for a server that stands still.
        let mut load = Process::start(self.load, &asking)?.within(self.patience, process.id());
        load.hear_field("ready")?;
        load.nudge()?;
        let sample = load.sample()?;
        Ok((self.dumped(process)?, sample.ops))
    }

    /// What callgrind has collected of a process that goes on; then it is killed. (Asked by vgdb to
    /// end, it does, and vgdb may wait on for its answer.)
    ///
    /// A server that waits in io_uring_enter(2) under Valgrind neither hears the end of its input
    /// nor a signal. vgdb reaches it.
    fn dumped(&self, process: Process) -> io::Result<u64> {
        let mut vgdb = Command::new(VGDB);
        vgdb.arg(vgdb_prefix(self.place)).arg(format!("--pid={}", process.id()));
        bounded(vgdb.args(["dump", "asked"]), self.patience.still)?;
        let file = out_file(self.place).with_extension("1");
        let text = std::fs::read_to_string(&file)
            .map_err(|_| io::Error::other("vgdb has not reached the server"))?;
        // The next run dumps to the same file.
        std::fs::remove_file(&file)?;
        drop(process);
        total(&text).ok_or_else(|| io::Error::other("callgrind's file has no total"))
    }
}

/// The difference of two runs, each with its instructions and its operations.
fn per_operation(few: (u64, u64), many: (u64, u64)) -> io::Result<f64> {
    if many.1 <= few.1 || many.0 <= few.0 {
        let message = format!(
            "{} instructions for {} operations, but {} for {}",
            few.0, few.1, many.0, many.1
        );
        return Err(io::Error::other(message));
    }
    Ok((many.0 - few.0) as f64 / (many.1 - few.1) as f64)
}

/// Runs a command to its end, which must come soon; whether it succeeds does not matter.
fn bounded(command: &mut Command, limit: Duration) -> io::Result<()> {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = silent.spawn().map_err(|error| {
        let name = silent.get_program().to_string_lossy();
        io::Error::new(error.kind(), format!("{name} does not start: {error}"))
    })?;
    let since = Instant::now();
    while child.try_wait()?.is_none() {
        if since.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            let name = command.get_program().to_string_lossy();
            let message = format!("{name} has not ended after {} seconds", limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A directory for the files and pipes of one count, gone with all of them when this is: a process
/// that is killed leaves its own behind.
struct Place(PathBuf);

impl Place {
    fn make() -> io::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        // ORDERING: a number that nobody else has; it orders nothing.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("annulus-bench-callgrind-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where callgrind writes.
fn out_file(place: &Path) -> PathBuf {
    place.join("out")
}

/// Where Valgrind and vgdb have their pipes.
fn vgdb_prefix(place: &Path) -> String {
    format!("--vgdb-prefix={}", place.join("vgdb").display())
}

/// The program under callgrind, which collects all of it, or what it says itself. A server can be
/// reached by vgdb.
fn under_valgrind(program: &Program, workload: &Workload, place: &Path) -> Program {
    let mut before = vec![
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", out_file(place).display()),
        if workload.is_served() { vgdb_prefix(place) } else { "--vgdb=no".to_owned() },
    ];
    if is_phased(workload) {
        before.push("--collect-atstart=no".to_owned());
    }
    before.push(program.path.display().to_string());
    before.extend(program.before.iter().cloned());
    Program { path: PathBuf::from(VALGRIND), before, ..program.clone() }
}

fn not_installed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "valgrind is not installed"),
        _ => error,
    }
}

/// The count in a file of callgrind's.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// The count in what callgrind prints.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests;
