//! `cargo xtask asan`: the suites that AddressSanitizer can say something about, under it.
//!
//! Owns: which suites, and how they are built. The simulated kernel is ordinary code, so what it
//! does to freed memory is seen; first a planted access must be. The real kernel's writes are not
//! seen, but those of the tests on either side of them are: a buffer that a test frees or reads too
//! early.
//!
//! Needs no nightly toolchain, only one with the sanitizer's runtime; without it the suites are
//! skipped with the exit status 77.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::toolchain::{libraries, printed};
use crate::tree::workspace_root;

/// A suite: arguments of `cargo test`, those of the tests, and options of the sanitizer.
struct Suite {
    package: &'static [&'static str],
    tests: &'static [&'static str],
    options: &'static str,
}

const SUITES: &[Suite] = &[
    Suite {
        package: &["-p", "annulus-sim", "--test", "it"],
        tests: &["--include-ignored"],
        options: "detect_leaks=1",
    },
    Suite {
        package: &["-p", "annulus", "--test", "it"],
        tests: &["sim::"],
        options: "detect_leaks=1",
    },
    // The hazards, and every way of ending a future at each of its polls. Some of them forget
    // futures, or leave memory to the kernel past a deadline.
    Suite {
        package: &["-p", "annulus", "--test", "it"],
        tests: &["hazards::", "cancel::", "ending::"],
        options: "detect_leaks=0:handle_segv=0",
    },
    // A child that reaches for the queues after fork(2) must die of the signal. Tests of the bare
    // ring leave memory to the kernel on purpose: buffers of groups, and what a killed thread held.
    Suite {
        package: &["-p", "annulus-ring", "--test", "it"],
        tests: &[],
        options: "detect_leaks=0:handle_segv=0",
    },
];

/// Says that something was skipped.
const SKIPPED: u8 = 77;

/// Runs every suite, to the first that fails.
pub fn run() -> ExitCode {
    match suites() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(SKIPPED),
        Err(why) => {
            eprintln!("asan: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether they ran.
fn suites() -> Result<bool, String> {
    let version = printed("rustc", &["-vV"])?;
    let target = host(&version).ok_or("rustc does not name its host")?;
    if !has_runtime(Path::new(&libraries()?)) {
        println!("SKIPPED: this toolchain has no AddressSanitizer for {target}");
        return Ok(false);
    }
    let directory = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    for Suite { package, tests, options } in SUITES {
        let command = |tests: &[&str]| {
            // The target must be given, so that build scripts are not instrumented.
            let mut command = Command::new("cargo");
            command.arg("test").args(*package).args(["--target", target]).arg("--").args(tests);
            command.current_dir(workspace_root());
            command.env("CARGO_TARGET_DIR", format!("{directory}/asan"));
            command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
            command.env("ASAN_OPTIONS", options);
            command
        };
        for name in tests.iter().filter(|name| !name.starts_with("--")) {
            let listed = command(&["--list", name]).stderr(Stdio::inherit()).output();
            let listed = listed.map_err(|why| why.to_string())?;
            if !lists_any(&String::from_utf8_lossy(&listed.stdout)) {
                return Err(format!("{} has no test like {name}", package.join(" ")));
            }
        }
        let status = command(tests).status().map_err(|why| why.to_string())?;
        if !status.success() {
            return Err(format!("{} ends with {status}", package.join(" ")));
        }
    }
    Ok(true)
}

/// Whether a test binary that was asked for its tests has named one.
fn lists_any(listed: &str) -> bool {
    listed.lines().any(|line| line.ends_with(": test"))
}

/// The target that rustc builds for, as `rustc -vV` says it.
fn host(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: "))
}

/// Whether the sanitizer's runtime is among the libraries of a target.
fn has_runtime(libraries: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(libraries) else { return false };
    files.flatten().any(|file| file.file_name().to_string_lossy().ends_with("_rt.asan.a"))
}

#[cfg(test)]
mod tests;
