//! User-space instructions per operation, with callgrind.
//!
//! Owns: running a program twice, with one and with two lots of operations; the difference leaves
//! out what starting takes. Phases that alternate with others tell callgrind themselves what is to
//! be collected, and run once. Repeatable, unlike any time.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::process::Process;
use super::program::Program;
use super::rounds::{Served, greet};
use crate::{Address, Job, Kind, Workload};

/// Operations of one lot: many, because starting some runtimes takes millions of instructions, and
/// not always the same number of them.
const LOT: u64 = 200_000;
/// The same of operations that move much or wait for another thread.
const LOT_OF_LONG: u64 = 20_000;
/// Requests of one lot, and twice as many as there are connections if that is more.
const REQUESTS: u64 = 4_000;
/// Timers at once: a tenth of those that are measured, as callgrind takes its time.
const TIMERS: u64 = 100_000;

/// Whether valgrind is installed.
pub fn is_possible() -> bool {
    std::process::Command::new("valgrind").arg("--version").output().is_ok()
}

/// Whether there is an operation to count them for.
pub fn are_countable(workload: &Workload) -> bool {
    workload.kind != Kind::Memory
}

/// Whether it tells callgrind itself what is to be collected.
fn is_phased(workload: &Workload) -> bool {
    workload.group == "time"
}

/// Operations of one lot.
fn lot(workload: &Workload) -> u64 {
    match workload.load {
        _ if workload.kind == Kind::Alone
            && (workload.bytes > 4096 || workload.family == "cross") =>
        {
            LOT_OF_LONG
        }
        _ if workload.kind == Kind::Alone => LOT,
        "requests" | "storm" => REQUESTS / u64::from(workload.tasks),
        _ => REQUESTS.max(2 * u64::from(workload.tasks)),
    }
}

/// Counts them.
///
/// # Errors
/// The program fails; valgrind does not say a count.
pub fn count(program: &Program, load: &Program, workload: &Workload, job: &Job) -> io::Result<f64> {
    let program = under_valgrind(program, workload);
    if is_phased(workload) {
        let job = Job { ops: Some(TIMERS), ..job.clone() };
        let (collected, ops) = run(&program, load, workload, job)?;
        return Ok(collected as f64 / ops as f64);
    }
    let once = |ops| run(&program, load, workload, Job { ops: Some(ops), ..job.clone() });
    let (few, few_ops) = once(lot(workload))?;
    let (many, many_ops) = once(2 * lot(workload))?;
    per_operation((few, few_ops), (many, many_ops))
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

/// Runs a program once: what callgrind has collected, and for how many operations.
fn run(program: &Program, load: &Program, workload: &Workload, job: Job) -> io::Result<(u64, u64)> {
    let mut process = Process::start(program, &job)?;
    if workload.is_served() {
        return served(&mut process, load, workload, job);
    }
    let sample = process.sample()?;
    let text = process.last_words()?;
    let collected = collected(&text)
        .ok_or_else(|| io::Error::other(format!("valgrind has not said a count: {text}")))?;
    Ok((collected, sample.ops))
}

/// The same of a server, which is asked for its count while its connections are silent.
fn served(
    process: &mut Process,
    load: &Program,
    workload: &Workload,
    job: Job,
) -> io::Result<(u64, u64)> {
    let address = Served(process.address()?);
    if let Address::Tcp(address) = address.0 {
        greet(address, job.bytes)?;
    }
    let asking = Job {
        workload: workload.load.to_owned(),
        cpu: job.other_cpu,
        address: address.0.clone(),
        ..job
    };
    let mut load = Process::start(load, &asking)?;
    load.hear_field("ready")?;
    load.nudge()?;
    let sample = load.sample()?;
    Ok((dumped(process)?, sample.ops))
}

/// What callgrind has collected of a process that goes on.
///
/// Valgrind runs one thread at a time and takes io_uring_enter(2) for a call that does not block,
/// so a server that waits in it neither hears the end of its input nor a signal. vgdb reaches it.
fn dumped(process: &mut Process) -> io::Result<u64> {
    let pid = process.id();
    let file = Dump(out_file(pid));
    let vgdb = |command: &str| {
        let mut vgdb = Command::new("vgdb");
        vgdb.arg(format!("--pid={pid}")).args(command.split(' ')).output()
    };
    vgdb("dump asked")
        .map_err(|error| io::Error::new(error.kind(), format!("vgdb does not start: {error}")))?;
    let text = std::fs::read_to_string(file.0.with_extension("1"))
        .map_err(|_| io::Error::other("vgdb has not reached the server"))?;
    // So that it takes its pipes away, and writes its last file before that is removed.
    vgdb("v.kill")?;
    process.last_words()?;
    total(&text).ok_or_else(|| io::Error::other("callgrind's file has no total"))
}

/// Where callgrind writes: `%p` is the process.
fn out_file(pid: impl std::fmt::Display) -> PathBuf {
    std::env::temp_dir().join(format!("annulus-bench-callgrind-{pid}"))
}

/// Callgrind's files, gone when this is.
struct Dump(PathBuf);

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_file(self.0.with_extension("1"));
    }
}

/// The count in a file of callgrind's.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// The program under callgrind, which collects all of it, or what it says itself.
fn under_valgrind(program: &Program, workload: &Workload) -> Program {
    let file = if workload.is_served() { out_file("%p") } else { PathBuf::from("/dev/null") };
    let mut before =
        vec!["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", file.display())];
    if is_phased(workload) {
        before.push("--collect-atstart=no".to_owned());
    }
    before.push(program.path.display().to_string());
    before.extend(program.before.iter().cloned());
    Program { path: PathBuf::from("valgrind"), before, ..program.clone() }
}

/// The count in what callgrind prints.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &str) -> &'static Workload {
        crate::WORKLOADS.iter().find(|workload| workload.name == name).unwrap()
    }

    /// With fewer, two runs of different lots would do the same number of operations.
    #[test]
    fn a_lot_is_more_than_what_is_asked_at_first() {
        for workload in crate::WORKLOADS.iter().filter(|workload| are_countable(workload)) {
            let at_first = match workload.load {
                "load" if workload.is_served() => workload.tasks * workload.depth,
                _ => 1,
            };
            assert!(lot(workload) > u64::from(at_first), "{}", workload.name);
        }
        assert!(!are_countable(workload("idle-9000")));
    }

    #[test]
    fn what_two_runs_do_not_tell_apart_is_said() {
        assert_eq!(per_operation((100, 10), (180, 20)).unwrap(), 8.0);
        for many in [(100, 20), (180, 10)] {
            let error = per_operation((100, 10), many).unwrap_err().to_string();
            assert!(error.contains("100 instructions for 10 operations"), "{error}");
        }
    }

    #[test]
    fn the_total_of_a_file_is_found() {
        let text = "summary: 7\n\ntotals: 7402395\n";
        assert_eq!(total(text), Some(7_402_395));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn a_server_has_a_file_that_the_process_names_and_timers_begin_silent() {
        let arguments =
            |name: &str| under_valgrind(&Program::default(), workload(name)).before.join(" ");
        assert!(arguments("echo-64").contains("annulus-bench-callgrind-%p"));
        assert!(arguments("timer-fire").contains("/dev/null --collect-atstart=no"));
        assert!(!arguments("nop-1").contains("collect-atstart"));
    }

    #[test]
    fn the_count_is_found_in_what_callgrind_prints() {
        let text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(collected(text), Some(1_234_567));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
