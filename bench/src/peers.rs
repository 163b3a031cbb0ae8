//! Which programs there are, and building them.
//!
//! Owns: the list. Each is a crate below `peers/` with a program that `annulus_bench::main` runs,
//! or a program in C; what does not build is reported and left out. Building one by one keeps the
//! features that one peer asks of a crate away from the others.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use annulus_bench::Workload;
use annulus_bench::driver::{self, Program};

/// A program to be measured.
#[derive(Debug)]
pub struct Peer {
    /// As it is named on the command line and in tables.
    pub name: &'static str,
    /// The crate is `peer-` and this.
    pub package: &'static str,
    /// Which of several ways the program does it.
    pub variant: &'static str,
    /// The crate whose version it shows.
    pub shows: &'static str,
    /// The only workloads that it takes part in; all that it can if empty.
    pub only: &'static [&'static str],
    /// For people.
    pub what: &'static str,
    /// What its program is written in.
    language: Language,
}

/// What a program is written in, and so how it is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Language {
    Rust,
    /// With this library, if its header is installed.
    C(&'static str),
}

const fn peer(name: &'static str, what: &'static str) -> Peer {
    let language = Language::Rust;
    Peer { name, package: name, variant: "", shows: name, only: &[], what, language }
}

/// Another way in which a program does it.
const fn variant(of: &Peer, name: &'static str, variant: &'static str, what: &'static str) -> Peer {
    let &Peer { package, shows, only, language, .. } = of;
    Peer { name, variant, what, package, shows, only, language }
}

const OURS: Peer = peer(driver::OURS, "this project");
const LIMIT: Peer = Peer { shows: "", ..peer("limit", "a ring loop written by hand") };
const LIBURING: Peer =
    Peer { language: Language::C("liburing"), ..peer("liburing", "its loops in C, if installed") };
const RINGLINE: Peer = peer("ringline", "one worker, on io_uring");
/// Where a runtime that can do nothing but echo is asked to.
const ECHOES: &[&str] = &["echo-1", "echo-64", "echo-1000", "echo-4k", "echo-64k", "pipeline-64"];

/// A way in which ringline echoes.
const fn echoing(name: &'static str, way: &'static str, what: &'static str) -> Peer {
    Peer { only: ECHOES, ..variant(&RINGLINE, name, way, what) }
}

/// Where ways of waiting tell themselves apart.
const LONELY: &[&str] = &["echo-1"];
/// Where the resolution of timers does.
const FIRING: &[&str] = &["timer-fire"];
/// Where the size of a buffer does.
const LARGE: &[&str] = &["echo-64k-1", "echo-64k", "echo-64k-1000", "echo-64k-8000"];
/// Where a loop can register files and buffers; elsewhere it would be the same again.
const REGISTERING: &[&str] =
    &["read-1", "read-32", "direct-1", "direct-32", "direct-128", "cat", "copy"];

/// A loop that registers what it can.
const fn registering(of: &Peer, name: &'static str) -> Peer {
    let what = "the same, files and buffers registered";
    Peer { only: REGISTERING, ..variant(of, name, "registered", what) }
}

/// A way in which a server of several cores accepts.
const fn accepting(name: &'static str, way: &'static str, what: &'static str) -> Peer {
    Peer { only: &["accept-1", "accept-1000"], ..variant(&OURS, name, way, what) }
}

/// All programs, in the order in which they run.
pub const PEERS: &[Peer] = &[
    OURS,
    Peer { only: LONELY, ..variant(&OURS, "annulus-spin", "spin", "spins for 50 µs") },
    Peer { only: FIRING, ..variant(&OURS, "annulus-slack", "slack", "timers late by up to 1 ms") },
    Peer { only: LONELY, ..variant(&OURS, "annulus-no-tick", "no-tick", "leaves the tick alone") },
    Peer {
        only: LARGE,
        ..variant(&OURS, "annulus-buffers-16k", "buffers-16k", "provided buffers of 16 KiB")
    },
    accepting("annulus-per-core", "per-core", "each core keeps what it accepts"),
    accepting("annulus-steered", "steered", "the same, by the CPU of the packet"),
    accepting("annulus-round-robin", "round-robin", "one core accepts for all, in turn"),
    accepting("annulus-least", "least-connections", "the same, to who has fewest"),
    LIMIT,
    registering(&LIMIT, "limit-fixed"),
    Peer { only: LONELY, ..variant(&LIMIT, "limit-spin", "spin", "the same, spins for 50 µs") },
    Peer { only: LONELY, ..variant(&LIMIT, "limit-tick", "tick", "the same, with a 1 ms timer") },
    LIBURING,
    registering(&LIBURING, "liburing-fixed"),
    peer("std", "threads and system calls of the standard library"),
    peer("tokio", "on one thread (LocalRuntime)"),
    Peer { shows: "tokio", ..peer("tokio-mt", "its default, several threads") },
    peer("tokio-rustls", "TLS above tokio, on one thread"),
    peer("monoio", "on io_uring"),
    Peer { shows: "monoio", ..peer("monoio-sync", "the same, for two threads") },
    Peer { shows: "monoio", ..peer("monoio-hyper", "the same, beside epoll, for hyper") },
    peer("compio", "on io_uring"),
    peer("glommio", "one executor"),
    peer("tokio-uring", "io_uring beside tokio"),
    RINGLINE,
    echoing("ringline-direct", "direct-echo", "the same, echoes itself without a task"),
    Peer { shows: "", ..peer("nginx", "one worker, if installed") },
    Peer { shows: "", ..peer("redis", "redis-server, if installed") },
];

/// Programs of the library's own workspace that workloads of a family start, and how cargo is told
/// to build them.
const STARTED: &[(&str, &[&str])] = &[
    ("static", &["--package", "annulus-cli"]),
    ("kv", &["--package", "annulus-examples", "--example", "kv"]),
];

/// Builds what these workloads start, beside the peers.
pub fn build_started(workloads: &[Workload]) {
    let started = STARTED
        .iter()
        .filter(|(family, _)| workloads.iter().any(|workload| workload.family == *family));
    for (family, what) in started {
        if let Err(error) = build_beside(what) {
            eprintln!("skipped: what {family} starts does not build: {error}");
        }
    }
}

fn build_beside(what: &[&str]) -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).unwrap_or(here);
    let mut build = cargo();
    build.current_dir(here.join("..")).args(["build", "--release"]).args(what);
    let status = build.arg("--target-dir").arg(target).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// A setting of Annulus.
const fn tuned(name: &'static str, variant_name: &'static str, what: &'static str) -> Peer {
    variant(&OURS, name, variant_name, what)
}

/// The settings of `docs/tuning.md`: they run only where they are asked for by name.
pub const TUNED: &[Peer] = &[
    tuned("annulus-sqpoll", "sqpoll", "a kernel thread submits"),
    tuned("annulus-iowait", "iowait", "waiting counts as I/O wait"),
    tuned("annulus-plain", "plain", "no registered files"),
    tuned("annulus-entries-32", "entries-32", "32 submission entries"),
    tuned("annulus-entries-4096", "entries-4096", "4096 submission entries"),
    tuned("annulus-budget-8", "budget-8", "8 polls a turn"),
    tuned("annulus-buffers-few", "buffers-few", "one provided buffer"),
    tuned("annulus-buffers-1024", "buffers-1024", "1024 buffers of 16 KiB provided from the start"),
    tuned("annulus-buffers-whole", "buffers-whole", "a buffer for each receive"),
    echoing("ringline-copied", "copied", "its echo copies at every size"),
    echoing("ringline-forwarded", "forwarded", "its echo forwards at every size"),
];

/// All peers, for people.
pub fn list() -> String {
    let line = |peer: &Peer| format!("  {:<22} {}\n", peer.name, peer.what);
    let peers: String = PEERS.iter().map(line).collect();
    let tuned: String = TUNED.iter().map(line).collect();
    format!("{peers}settings, where they are asked for:\n{tuned}")
}

/// The peers of these names; without any, all but the settings.
///
/// # Errors
/// `InvalidInput`, with the list, for an unknown name.
pub fn named(asked: &[String]) -> io::Result<Vec<&'static Peer>> {
    let tuned = if asked.is_empty() { &[] } else { TUNED };
    let known: Vec<&'static Peer> = PEERS.iter().chain(tuned).collect();
    let named = driver::named(&known, |peer| peer.name, asked, &list())?;
    Ok(named.into_iter().copied().collect())
}

/// These programs, built unless they are to be taken as they are; says which cannot be had.
///
/// # Errors
/// None can be had.
pub fn programs(peers: &[&Peer], build: bool) -> io::Result<Vec<Program>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let locked = std::fs::read_to_string(directory.join("Cargo.lock")).unwrap_or_default();
    let mut files: HashMap<&str, Option<PathBuf>> = HashMap::new();
    let mut programs = Vec::new();
    for peer in peers {
        let compiled = || {
            let skipped = |error: &io::Error| eprintln!("skipped: {}: {error}", peer.package);
            program_of(peer, directory, build).inspect_err(skipped).ok()
        };
        let Some(path) = files.entry(peer.package).or_insert_with(compiled).clone() else {
            continue;
        };
        let program = Program {
            name: peer.name.to_owned(),
            version: version_of(peer, &locked),
            path,
            variant: peer.variant.to_owned(),
            only: peer.only.iter().map(|&name| name.to_owned()).collect(),
            ..Program::default()
        };
        match program.asked() {
            Ok(program) => programs.push(program),
            Err(error) => eprintln!("skipped: {} does not start: {error}", peer.name),
        }
    }
    if programs.is_empty() {
        return Err(io::Error::other("no peer can be had"));
    }
    Ok(programs)
}

/// The program of a peer, built or as it was built before.
fn program_of(peer: &Peer, directory: &Path, build: bool) -> io::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name(format!("peer-{}", peer.package));
    match peer.language {
        _ if !build => match beside.metadata() {
            Ok(_) => Ok(beside),
            Err(error) => Err(io::Error::new(error.kind(), "it was not built before")),
        },
        Language::Rust => compile(directory, peer.package),
        Language::C(library) => {
            let sources = directory.join("peers").join(peer.package).join("src");
            compile_c("cc", &sources, library, &beside)?;
            Ok(beside)
        }
    }
}

/// Builds a program in C, as much optimised as those in Rust.
fn compile_c(compiler: &str, sources: &Path, library: &str, to: &Path) -> io::Result<()> {
    // Asked first, so that what is missing is not a page of messages.
    let mut asked = Command::new(compiler);
    asked.args(["-include", &format!("{library}.h"), "-x", "c", "-E", "/dev/null"]);
    let known = asked.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other(format!("there is no {compiler}")),
        _ => error,
    })?;
    if !known.status.success() {
        return Err(io::Error::other(format!("{library}-dev is not installed")));
    }
    let link = format!("-l{}", library.strip_prefix("lib").unwrap_or(library));
    let mut command = Command::new(compiler);
    command.args(["-std=gnu11", "-O3", "-flto", "-pthread", "-Wall", "-Wextra", "-o"]).arg(to);
    let status = command.args(in_c(sources)?).arg(link).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// The files in C of a directory, in the order of their names.
fn in_c(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?;
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let is_c = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "c");
    let mut files: Vec<PathBuf> = paths?.into_iter().filter(is_c).collect();
    files.sort();
    Ok(files)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn compile(directory: &Path, package: &str) -> io::Result<PathBuf> {
    let output = cargo()
        .current_dir(directory)
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .args(["--package", &format!("peer-{package}")])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(output.status.to_string()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    executable(&text).ok_or_else(|| io::Error::other("cargo does not say where the program is"))
}

/// The last executable in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    let message = |line| serde_json::from_str::<serde_json::Value>(line).ok();
    let executable = |line| Some(PathBuf::from(message(line)?.get("executable")?.as_str()?));
    messages.lines().filter_map(executable).next_back()
}

/// The version of what a peer shows; nothing if that cannot be told.
fn version_of(peer: &Peer, locked: &str) -> String {
    match peer.language {
        Language::Rust => version(locked, peer.shows),
        Language::C(library) => {
            let told = Command::new("pkg-config").args(["--modversion", library]).output();
            told.map_or(String::new(), |told| {
                String::from_utf8_lossy(&told.stdout).trim().to_owned()
            })
        }
    }
}

/// The version of a crate in a lock file; nothing if there is none.
fn version(locked: &str, library: &str) -> String {
    let entry = format!("name = \"{library}\"\nversion = \"");
    let Some((_, after)) = locked.split_once(&entry) else {
        return String::new();
    };
    after.split('"').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
