//! Rounds: each program of a workload once, side by side, in turns forward and backward.
//!
//! Owns: which process runs on which CPU, what a round asks of it, and the progress bar. Each row
//! of each round is a new process, so that where it happens to lie in memory is part of the noise
//! that is seen. A program that fails is left out of the rest of its workload.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::instructions::{self, Counts};
use super::machine::Machine;
use super::process::Process;
use super::program::{OURS, Program};
use super::{Options, json, report};
use crate::pages::Pages;
use crate::site::Site;
use crate::{Address, Job, Kind, Sample, Workload, sys};

/// How long, how often, where.
#[derive(Debug)]
pub struct Plan {
    rounds: u32,
    window: Duration,
    /// The CPU of what is measured.
    measured: usize,
    /// That of its load, or of its other thread.
    other: usize,
    instructions: bool,
    json: Option<PathBuf>,
}

impl Plan {
    /// The last allowed CPU is measured, because the first is where interrupts tend to go.
    ///
    /// # Errors
    /// Those of sched_getaffinity(2).
    pub fn new(options: &Options) -> io::Result<Self> {
        let &Options { rounds, seconds: window, instructions, .. } = options;
        let allowed = sys::allowed_cpus()?;
        match (allowed.first(), allowed.last()) {
            (Some(&other), Some(&measured)) => {
                let json = options.json.clone();
                Ok(Self { rounds, window, measured, other, instructions, json })
            }
            _ => Err(io::Error::other("this process may run nowhere")),
        }
    }
}

/// Everything that was measured.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Results {
    pub machine: Machine,
    pub rounds: u32,
    pub seconds: f64,
    pub tables: Vec<Measured>,
}

/// One workload.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    pub workload: Workload,
    pub rows: Vec<Row>,
    /// Who took no part to the end, and why.
    pub skipped: Vec<(String, String)>,
}

/// One program.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Row {
    pub peer: String,
    pub version: String,
    /// Whether this is a program that stands in another row as well, for the noise.
    pub again: bool,
    pub samples: Vec<Sample>,
    /// What was counted of an operation, where it was.
    pub counts: Option<Counts>,
    /// Why it could not be, where that was tried.
    pub uncounted: Option<String>,
}

/// Measures, and prints each table as soon as it is there.
///
/// # Errors
/// The file to be read cannot be made, or that of the results not be written.
pub fn run(
    workloads: &[Workload],
    programs: &[Program],
    load: &Program,
    plan: &Plan,
) -> io::Result<Results> {
    let machine = Machine::this();
    print!("{}", machine.describe());
    println!(
        "{} rounds of {} s; measured on CPU {}, the other side on CPU {}",
        plan.rounds,
        plan.window.as_secs_f64(),
        plan.measured,
        plan.other
    );
    if plan.measured == plan.other {
        println!("note: there is one CPU only, which both sides must share");
    }
    let seconds = plan.window.as_secs_f64();
    let mut results = Results { machine, rounds: plan.rounds, seconds, tables: Vec::new() };
    let pages = Pages::make()?;
    let direct = workloads.iter().any(|workload| workload.direct).then(Pages::make_direct);
    let site =
        workloads.iter().any(Workload::is_site).then(|| Site::make(workloads)).transpose()?;
    let session = Session { plan, pages, direct, site, load };
    let bar = bar(workloads, programs, plan);
    for workload in workloads {
        if entrants(workload, programs).is_empty() {
            let name = workload.name;
            bar.suspend(|| println!("\n{name}: none of these programs takes part in it"));
            continue;
        }
        let measured = session.measure(workload, programs, &bar);
        bar.suspend(|| print!("\n{}", report::table(&measured)));
        results.tables.push(measured);
        // Now, so that what comes later cannot take it away.
        if let Some(file) = &plan.json {
            json::write(&results, file)?;
        }
    }
    bar.finish_and_clear();
    Ok(results)
}

fn bar(workloads: &[Workload], programs: &[Program], plan: &Plan) -> ProgressBar {
    let runs: usize = workloads.iter().map(|workload| entrants(workload, programs).len()).sum();
    let bar = ProgressBar::new(runs as u64 * u64::from(plan.rounds));
    let template = "{bar:30} {pos}/{len} {elapsed} (about {eta} left) {msg}";
    ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
}

/// Who takes part, and whether for the second time.
fn entrants<'a>(workload: &Workload, programs: &'a [Program]) -> Vec<(&'a Program, bool)> {
    let takes_part = |program: &&Program| program.takes_part(workload);
    let mut entrants: Vec<_> =
        programs.iter().filter(takes_part).map(|program| (program, false)).collect();
    let again = entrants.iter().find(|(program, _)| program.name == OURS).or(entrants.first());
    if let Some(&(program, _)) = again {
        entrants.push((program, true));
    }
    entrants
}

struct Session<'a> {
    plan: &'a Plan,
    pages: Pages,
    /// The file that is read past the page cache, if there is one; made if somebody reads it.
    direct: Option<io::Result<Pages>>,
    /// What servers of files serve, if there are any.
    site: Option<Site>,
    load: &'a Program,
}

impl Session<'_> {
    fn measure(&self, workload: &Workload, programs: &[Program], bar: &ProgressBar) -> Measured {
        let entrants = entrants(workload, programs);
        let file = match self.file(workload) {
            Ok(file) => file,
            Err(why) => {
                bar.inc(entrants.len() as u64 * u64::from(self.plan.rounds));
                let skipped = vec![("everybody".to_owned(), why)];
                return Measured { workload: *workload, rows: Vec::new(), skipped };
            }
        };
        let row = |&(program, again): &(&Program, bool)| Row {
            peer: program.name.clone(),
            version: program.version.clone(),
            again,
            ..Row::default()
        };
        let mut rows: Vec<Row> = entrants.iter().map(row).collect();
        let mut failed: Vec<Option<String>> = vec![None; rows.len()];
        for round in 0..self.plan.rounds {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                let program = entrants[index].0;
                bar.set_message(format!("{}: {}", workload.name, program.name));
                if failed[index].is_none() {
                    match self.sample(workload, program, file) {
                        Ok(sample) => rows[index].samples.push(sample),
                        Err(error) => failed[index] = Some(error.to_string()),
                    }
                }
                bar.inc(1);
            }
        }
        if self.plan.instructions && instructions::are_countable(workload) {
            let once = rows.iter_mut().enumerate().filter(|(_, row)| !row.again);
            for (index, row) in once.filter(|&(index, _)| failed[index].is_none()) {
                bar.set_message(format!("{}: {}, instructions", workload.name, row.peer));
                let (program, job) =
                    (entrants[index].0, self.job(workload, entrants[index].0, file));
                match instructions::count(program, self.load, workload, &job) {
                    Ok(counts) => row.counts = Some(counts),
                    Err(error) => row.uncounted = Some(error.to_string()),
                }
            }
        }
        let mut skipped = Vec::new();
        let mut kept = Vec::new();
        for (row, failure) in rows.into_iter().zip(failed) {
            match failure {
                None => kept.push(row),
                Some(failure) if !row.again => skipped.push((row.peer, failure)),
                Some(_) => {}
            }
        }
        Measured { workload: *workload, rows: kept, skipped }
    }

    /// Where the file of a workload is, or why there is none.
    fn file(&self, workload: &Workload) -> Result<&Path, String> {
        match &self.direct {
            Some(Err(error)) if workload.direct => Err(error.to_string()),
            Some(Ok(pages)) if workload.direct => Ok(pages.path()),
            _ => Ok(self.pages.path()),
        }
    }

    fn job(&self, workload: &Workload, program: &Program, file: &Path) -> Job {
        Job {
            workload: workload.family.to_owned(),
            tasks: workload.tasks,
            bytes: workload.bytes,
            depth: workload.depth,
            window: self.plan.window,
            batch: workload.batch,
            variant: program.variant.clone(),
            cpu: Some(self.plan.measured),
            other_cpu: Some(self.plan.other),
            file: file.to_owned(),
            directory: match &self.site {
                Some(site) if workload.is_site() => site.path().to_owned(),
                _ => std::env::temp_dir(),
            },
            ..Job::default()
        }
    }

    fn sample(&self, workload: &Workload, program: &Program, file: &Path) -> io::Result<Sample> {
        let job = self.job(workload, program, file);
        match workload.kind {
            Kind::Alone => Process::start(program, &job)?.sample(),
            Kind::Server | Kind::Memory => self.served(workload, program, job),
        }
    }

    /// The server is idle when its CPU time is read, before and after. Its memory is read when it
    /// has, if it echoes, spoken with one connection, so that what it makes for all of them is not
    /// counted as theirs.
    fn served(&self, workload: &Workload, program: &Program, job: Job) -> io::Result<Sample> {
        let mut server = Process::start(program, &job)?;
        let address = Served(server.address()?);
        match address.0 {
            Address::Tcp(address) if workload.echoes() => greet(address, job.bytes)?,
            _ => {}
        }
        let asking = Job {
            workload: workload.load.to_owned(),
            cpu: job.other_cpu,
            variant: String::new(),
            address: address.0.clone(),
            ..job
        };
        let base_bytes = Some(server.cost()?.resident_bytes);
        let mut load = Process::start(self.load, &asking)?;
        load.hear_field("ready")?;
        let before = server.cost()?;
        load.nudge()?;
        let sample = load.sample()?;
        // The connections are still there.
        let after = server.cost()?;
        let cpu_ns = after.cpu_ns - before.cpu_ns;
        let resident_bytes = base_bytes.map(|base| after.resident_bytes.saturating_sub(base));
        let imbalance = after.imbalance;
        Ok(Sample { cpu_ns, resident_bytes, base_bytes, imbalance, ..sample })
    }
}

/// Where a server listens; a path is removed in the end.
pub struct Served(pub Address);

impl Drop for Served {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// How long the first answer of a server may take, under Valgrind as well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Speaks once with a server that echoes, over a connection of its own.
pub fn greet(address: SocketAddr, bytes: usize) -> io::Result<()> {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, UnexpectedEof};
    let since = Instant::now();
    loop {
        match speak(address, bytes.min(4096)) {
            // Not every server has its listener from the start, and one that makes it itself closes
            // another one first.
            Err(error)
                if matches!(
                    error.kind(),
                    BrokenPipe | ConnectionRefused | ConnectionReset | UnexpectedEof
                ) && since.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let message = format!("no answer came for {} seconds", PATIENCE.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            spoken => return spoken,
        }
    }
}

fn speak(address: SocketAddr, bytes: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (request, mut answer) = (vec![0xa5; bytes], vec![0; bytes]);
    stream.write_all(&request)?;
    stream.read_exact(&mut answer)?;
    if answer == request { Ok(()) } else { Err(crate::wrong("other bytes came back")) }
}

#[cfg(test)]
mod tests;
