//! `cargo xtask soak`: the whole suite, many times, several of it at once.
//!
//! A test that fails once in fifty runs of a busy machine is wrong, or has found something; one run
//! shows neither. So the suite competes with itself here: whatever a test believes about time,
//! about threads that run, or about who else is there, does not hold.
//!
//! Owns: building the test programs once (optimized a little, or most of the time would be theirs),
//! running them, and keeping what a failing one has said. Does not own: examples in documentation,
//! which cargo builds anew for each run. Needs nothing but cargo.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::toolchain::libraries;
use crate::tree::workspace_root;

/// Far beyond what a suite takes: what hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Plan {
    runs: u32,
    at_once: u32,
}

/// A test program, and the directory that its tests are at home in.
#[derive(PartialEq, Eq, Debug)]
struct Program {
    path: PathBuf,
    home: PathBuf,
}

/// All of them.
struct Suite {
    programs: Vec<Program>,
    /// Where the library is that tests of macros are linked to.
    libraries: String,
}

/// Runs the suite as often as the arguments say.
pub fn run(arguments: &[String]) -> ExitCode {
    match plan(arguments).and_then(soak) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("soak: {why}");
            ExitCode::FAILURE
        }
    }
}

/// `[RUNS [AT_ONCE]]`: a hundred, and twice as many at once as there are CPUs.
fn plan(arguments: &[String]) -> Result<Plan, String> {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
    let number = |index: usize, otherwise: u32| match arguments.get(index) {
        None => Ok(otherwise),
        Some(text) => text.parse().ok().filter(|&number| number > 0).ok_or_else(|| {
            format!("`{text}` is no number of runs: cargo xtask soak [RUNS [AT_ONCE]]")
        }),
    };
    Ok(Plan { runs: number(0, 100)?, at_once: number(1, 2 * cpus)? })
}

/// Whether every run has passed.
fn soak(plan: Plan) -> Result<bool, String> {
    let root = workspace_root();
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = target.join("soak");
    let suite = Suite { programs: build(&root, &target)?, libraries: libraries()? };
    let kept = target.join("failures");
    std::fs::create_dir_all(&kept).map_err(|why| format!("{}: {why}", kept.display()))?;
    let count = suite.programs.len();
    println!("soak: {count} programs, {} runs, {} at once", plan.runs, plan.at_once);

    let (begun, next) = (Instant::now(), AtomicU32::new(1));
    let failures = Mutex::new(BTreeMap::<String, u32>::new());
    let work = || loop {
        // ORDERING: a number that nobody else has; it orders nothing.
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number > plan.runs {
            return;
        }
        let since = Instant::now();
        let failed = suite.run(number, &kept);
        let what = if failed.is_empty() { "passed".to_owned() } else { failed.join("; ") };
        println!("soak: run {number}: {what} ({} s)", since.elapsed().as_secs());
        let mut failures = failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failed.into_iter().for_each(|program| *failures.entry(program).or_default() += 1);
    };
    std::thread::scope(|scope| (0..plan.at_once).for_each(|_| drop(scope.spawn(work))));

    let failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs();
    if failures.is_empty() {
        println!("soak: {} runs passed, in {seconds} s", plan.runs);
        return Ok(true);
    }
    failures.iter().for_each(|(program, times)| println!("soak: {times} × {program}"));
    println!(
        "soak: not all of {} runs passed; what failed has said why in {}",
        plan.runs,
        kept.display()
    );
    Ok(false)
}

/// Builds every test program of the workspace.
fn build(root: &Path, target: &Path) -> Result<Vec<Program>, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
    cargo.current_dir(root).env("CARGO_TARGET_DIR", target).stderr(Stdio::inherit());
    cargo.env("CARGO_PROFILE_TEST_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    let built = cargo.output().map_err(|why| format!("cargo does not start: {why}"))?;
    if !built.status.success() {
        return Err(format!("the tests cannot be built: cargo ends with {}", built.status));
    }
    let programs: Vec<_> =
        String::from_utf8_lossy(&built.stdout).lines().filter_map(program).collect();
    if programs.is_empty() { Err("cargo names no test program".to_owned()) } else { Ok(programs) }
}

/// The test program that a message of cargo's names.
fn program(message: &str) -> Option<Program> {
    // What is built besides can be tested, too, and says so of its target.
    let (_, profile) = message.split_once("\"profile\":{")?;
    let (profile, _) = profile.split_once('}')?;
    if !profile.contains("\"test\":true") {
        return None;
    }
    let path = PathBuf::from(text(message, "executable")?);
    let home = Path::new(text(message, "manifest_path")?).parent()?.to_owned();
    Some(Program { path, home })
}

/// The text of a field, if that is a text without escapes.
fn text<'a>(message: &'a str, field: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(&format!("\"{field}\":\""))?;
    let (text, _) = rest.split_once('"')?;
    (!text.contains('\\')).then_some(text)
}

impl Suite {
    /// Runs every program once, and gives what has failed. What that has said is kept.
    fn run(&self, number: u32, kept: &Path) -> Vec<String> {
        let run = |program: &Program| {
            let name = program.path.file_name().unwrap_or_default().to_string_lossy();
            let home = program.home.file_name().unwrap_or_default().to_string_lossy();
            let said = kept.join(format!("{number}-{name}"));
            match self.passes(program, &said) {
                Ok(true) => {
                    let _ = std::fs::remove_file(&said);
                    None
                }
                Ok(false) => Some(format!("{home}/{name} FAILED")),
                Err(why) => Some(format!("{home}/{name}: {why}")),
            }
        };
        self.programs.iter().filter_map(run).collect()
    }

    /// Whether a program passes, in time.
    fn passes(&self, program: &Program, said: &Path) -> std::io::Result<bool> {
        let out = File::create(said)?;
        let mut command = Command::new(&program.path);
        command.current_dir(&program.home).env("CARGO_MANIFEST_DIR", &program.home);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let (mut child, since) = (command.spawn()?, Instant::now());
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            if since.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(test)]
mod tests;
