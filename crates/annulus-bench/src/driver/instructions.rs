//! What can be counted of an operation, with callgrind: user-space instructions, system calls and
//! allocations.
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

/// What one operation takes.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counts {
    /// User-space instructions.
    pub instructions: f64,
    /// System calls. To look at the clock is one here, since Valgrind has no vDSO.
    pub calls: Option<f64>,
    /// Calls of the C library's `malloc` and its like.
    pub allocations: Option<f64>,
}

/// Counts it.
///
/// # Errors
/// Valgrind is not installed, or does not say a count; the program fails, or stands still.
pub fn count(
    program: &Program,
    load: &Program,
    workload: &Workload,
    job: &Job,
) -> io::Result<Counts> {
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
    fn count(&self, job: &Job) -> io::Result<Counts> {
        let once = |ops| self.run(Job { ops: Some(ops), ..job.clone() });
        let lot = self.workload.lot;
        let few = once(lot)?;
        if is_phased(self.workload) {
            return per_operation((Collected::default(), 0), few);
        }
        per_operation(few, once(2 * lot)?)
    }

    /// Runs the program once: what callgrind has collected, and for how many operations.
    fn run(&self, job: Job) -> io::Result<(Collected, u64)> {
        let process = Process::start(&self.program, &job).map_err(not_installed)?;
        let watched = process.id();
        let mut process = process.within(self.patience, watched);
        if self.workload.is_served() {
            return self.served(process, job);
        }
        let sample = process.sample()?;
        let words = process.last_words()?;
        let collected = Collected::taken(&out_file(self.place))
            .map_err(|why| io::Error::other(format!("no count of valgrind's, {why}: {words}")))?;
        Ok((collected, sample.ops))
    }

    /// The same of a server, which is asked for its count while its connections are silent.
    fn served(&self, mut process: Process, job: Job) -> io::Result<(Collected, u64)> {
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
    fn dumped(&self, process: Process) -> io::Result<Collected> {
        let mut vgdb = Command::new(VGDB);
        vgdb.arg(vgdb_prefix(self.place)).arg(format!("--pid={}", process.id()));
        bounded(vgdb.args(["dump", "asked"]), self.patience.still)?;
        let file = out_file(self.place).with_extension("1");
        let collected = Collected::taken(&file)
            .map_err(|why| io::Error::other(format!("vgdb has not reached the server: {why}")))?;
        drop(process);
        Ok(collected)
    }
}

/// What callgrind has collected of a run.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Collected {
    instructions: u64,
    calls: u64,
    allocations: u64,
}

/// How the C library calls what allocates.
const ALLOCATORS: &[&str] =
    &["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

impl Collected {
    /// Takes it from a file of callgrind's, which is gone then: the next run writes another.
    fn taken(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        std::fs::remove_file(file)?;
        Self::read(&text).ok_or_else(|| io::Error::other("callgrind's file has no totals"))
    }

    /// Reads such a file: instructions and calls are its totals, allocations what all functions
    /// together have called.
    fn read(text: &str) -> Option<Self> {
        let words = |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::split_whitespace)
        };
        // What else is collected, a user's `.valgrindrc` may say.
        let total = |event| {
            let column = words("events: ")?.position(|name| name == event)?;
            words("totals: ")?.nth(column)?.parse::<u64>().ok()
        };
        let (instructions, calls) = (total("Ir")?, total("sysCount")?);
        let mut allocators = Vec::new();
        let mut allocates = false;
        let mut allocations = 0;
        for line in text.lines() {
            if let Some(times) = line.strip_prefix("calls=") {
                let times = times.split(' ').next()?.parse::<u64>().ok()?;
                allocations += if allocates { times } else { 0 };
            } else if let Some(callee) = line.strip_prefix("cfn=") {
                // A name stands behind its number where that is used first.
                let (number, name) = callee.split_once(' ').unwrap_or((callee, ""));
                if ALLOCATORS.contains(&name) {
                    allocators.push(number);
                }
                allocates = allocators.contains(&number);
            } else if let Some(function) = line.strip_prefix("fn=") {
                let named = function.split_once(' ');
                let allocator = named.filter(|(_, name)| ALLOCATORS.contains(name));
                allocators.extend(allocator.map(|(number, _)| number));
            }
        }
        Some(Self { instructions, calls, allocations })
    }
}

/// The difference of two runs, each with what was collected and its operations.
fn per_operation(few: (Collected, u64), many: (Collected, u64)) -> io::Result<Counts> {
    let ((few, few_ops), (many, many_ops)) = (few, many);
    if many_ops <= few_ops || many.instructions <= few.instructions {
        let message = format!(
            "{} instructions for {few_ops} operations, but {} for {many_ops}",
            few.instructions, many.instructions
        );
        return Err(io::Error::other(message));
    }
    // A run of more may make one call less.
    let each = |few: u64, many: u64| many.saturating_sub(few) as f64 / (many_ops - few_ops) as f64;
    Ok(Counts {
        instructions: each(few.instructions, many.instructions),
        calls: Some(each(few.calls, many.calls)),
        allocations: Some(each(few.allocations, many.allocations)),
    })
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
        "--collect-systime=yes".to_owned(),
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

#[cfg(test)]
mod tests;
