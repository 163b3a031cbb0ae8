//! What the user side of one NOP costs: pushed, submitted, waited for and reaped, through this
//! crate, through the `io-uring` crate, and through liburing in C.
//!
//! Counts user instructions per operation with callgrind: the program runs itself once with few
//! batches and once with more, and the difference has no start-up in it, so the numbers are exact
//! and the same on a busy machine. Then prints wall and CPU time per operation, each as the median
//! of interleaved rounds; those are mostly the kernel's. All rings are set up the same way
//! (`SINGLE_ISSUER`, `DEFER_TASKRUN`). The C loop is left out where `liburing-dev` is not
//! installed, and instructions where valgrind is not.
//!
//! ```sh
//! cargo bench -p annulus-ring --bench nop
//! ```

mod loops;
mod report;

use std::io;
use std::path::PathBuf;
use std::process::Command;

use loops::Contender;

/// Batches of the shorter and the longer run, whose difference counts.
const BATCHES: [u64; 2] = [100, 1100];
/// Entries pushed, submitted and waited for together.
const SIZES: [u32; 3] = [1, 8, 64];
const ROUNDS: usize = 7;
/// Operations of one timed run.
const TIMED_OPS: u64 = 200_000;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", contender, size, batches] => {
            let contender = Contender::named(contender).ok_or(io::ErrorKind::InvalidInput)?;
            contender.run(number(size)? as u32, number(batches)?)
        }
        ["counts", ..] => compare(false),
        _ => compare(true),
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(io::Error::other)
}

/// How one contender is started: `program arguments… SIZE BATCHES`.
struct Entrant {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
}

impl Entrant {
    fn command(&self, before: &[&str], size: u32, batches: u64) -> Command {
        let mut command = match before.split_first() {
            Some((wrapper, options)) => {
                let mut command = Command::new(wrapper);
                command.args(options).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(&self.arguments).args([size.to_string(), batches.to_string()]);
        command
    }
}

fn compare(timed: bool) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let mut entrants: Vec<Entrant> = [Contender::Annulus, Contender::IoUring]
        .map(|contender| Entrant {
            name: contender.name(),
            program: own.clone(),
            arguments: vec!["run".into(), contender.name().into()],
        })
        .into();
    let scratch = tempfile::tempdir()?;
    match loops::compile_c(scratch.path()) {
        Ok(program) => entrants.push(Entrant { name: "liburing", program, arguments: vec![] }),
        Err(why) => println!("note: no C loop: {why}"),
    }
    if Command::new("valgrind").arg("--version").output().is_ok() {
        report::instructions(&entrants)?;
    } else {
        println!("note: instructions are not counted, because valgrind is not installed");
    }
    if timed { report::times(&entrants) } else { Ok(()) }
}
